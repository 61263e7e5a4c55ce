"""Files of the Hugging Face hub: from its cache, else fetched, and a clear word within seconds where neither can be."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError

from medbench.errors import MissingCheckpointError

_TIMEOUT_S = 5


def cached(repo: str, filename: str, revision: str | None = None) -> Path | None:
    """The file in the hub's cache, or None. Never asks the network."""
    found = try_to_load_from_cache(repo, filename, revision=revision)
    return Path(found) if isinstance(found, str) else None


def hub_file(repo: str, filenames: tuple[str, ...], *, fix: str) -> Path:
    """The first of ``filenames`` that the cache holds, else the first that the repository holds, fetched.

    Raises `MissingCheckpointError` with ``fix`` where the hub cannot be reached, the repository is not there or is not
    open to this user, or it holds none of them.
    """
    for filename in filenames:
        found = cached(repo, filename)
        if found is not None:
            return found
    if constants.HF_HUB_OFFLINE:
        raise MissingCheckpointError(f"{repo} is not in the hub's cache, and HF_HUB_OFFLINE is set", fix=fix)
    for filename in filenames:
        try:
            # One question with a short limit: left to itself, the client asks an unreachable hub for up to a minute.
            get_hf_file_metadata(hf_hub_url(repo, filename), timeout=_TIMEOUT_S)
            return Path(hf_hub_download(repo, filename))
        except EntryNotFoundError:
            continue
        except GatedRepoError as error:
            raise MissingCheckpointError(f"{repo} asks for a licence to be accepted on the hub", fix=fix) from error
        except RepositoryNotFoundError as error:
            raise MissingCheckpointError(f"the hub has no {repo}, or not for this user", fix=fix) from error
        except Exception as error:  # the hub's client raises whatever its transport does
            raise MissingCheckpointError(
                f"{repo} is not in the hub's cache, and the hub cannot be reached ({type(error).__name__})", fix=fix
            ) from error
    raise MissingCheckpointError(f"{repo} holds none of {', '.join(filenames)}", fix=fix)
