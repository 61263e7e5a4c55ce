"""The summaries that an event file is made of, in TensorBoard's own terms. Loads TensorBoard, but no torch or TensorFlow."""

from __future__ import annotations

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import hparams_pb as hparams
from tensorboard.plugins.text.metadata import create_summary_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto


def scalar(name: str, value: float) -> Summary:
    """A number under a name."""
    return Summary(value=[Summary.Value(tag=name, simple_value=value)])


def text(name: str, content: str) -> Summary:
    """A text, shown letter by letter: every line is indented, which is a code block in TensorBoard's Markdown."""
    block = "\n".join(f"    {line}" for line in content.splitlines())
    tag = f"{name}/text_summary"
    tensor = make_tensor_proto([block.encode("utf-8", "replace")])
    return Summary(value=[Summary.Value(tag=tag, metadata=create_summary_metadata(name, ""), tensor=tensor)])


def end(ended: float, *, failed: bool) -> Summary:
    """How and when (seconds since 1970) a session of the hyper-parameter view ended."""
    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    data = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=ended))
    kind = metadata.create_summary_metadata(data)
    return Summary(value=[Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=kind, tensor=metadata.NULL_TENSOR)])


__all__ = ["Event", "RecordWriter", "end", "hparams", "scalar", "text"]
