"""How near generated texts come to the true ones: BLEU, ROUGE-L, CIDEr and METEOR, for any number of resamplings at once.

The definitions are those of pycocoevalcap (coco-caption), number by number, without its PTB tokeniser: a word is what stands
between blanks, so that the texts are cleaned and lower-cased before they come here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medbench.errors import UsageError
from medbench.statistics import weighted_sums
from medbench_tasks.texts.ngrams import NgramCounts, looked_up, ngram_counts, summed, word_numbers

if TYPE_CHECKING:
    from medbench_tasks.texts.meteor import MeteorStatistics

LONGEST = 4
MEASURES = (*(f"bleu-{length}" for length in range(1, LONGEST + 1)), "rouge-l", "cider")
METEOR = "meteor"
_BETA = 1.2
_SIGMA = 6.0
_TINY, _SMALL = 1e-15, 1e-9
"""What coco-caption adds to the numerators and to the denominators of BLEU."""


@dataclass(frozen=True, slots=True, eq=False)
class TextMeasures:
    """Per-sample sufficient statistics, from which every measure of any weighting of the samples follows.

    ``matches`` and ``guesses`` (N, 4) are BLEU's clipped and all n-grams of the hypothesis, ``lengths`` (N, 2) its words and
    those of the reference nearest in length (the shorter of two); ``rouge_l`` and ``cider`` (N,) are scores of the sample.
    """

    matches: NDArray[np.float64]
    guesses: NDArray[np.float64]
    lengths: NDArray[np.float64]
    rouge_l: NDArray[np.float64]
    cider: NDArray[np.float64]
    meteor: MeteorStatistics | None = None

    @classmethod
    def of(
        cls,
        references: Sequence[Sequence[str]],
        hypotheses: Sequence[str],
        meteor: MeteorStatistics | None = None,
    ) -> TextMeasures:
        """The statistics of ``hypotheses`` (N,) against one or more ``references`` each.

        An empty hypothesis matches nothing and an empty reference is matched by nothing, but two empty texts have ROUGE-L 1.
        ``meteor`` are the statistics of the same texts where METEOR is wanted (Java makes them, in seconds). Raises
        `UsageError` for a sample without a reference and for lists that differ in length.
        """
        _check(references, hypotheses)
        of_reference = np.repeat(np.arange(len(hypotheses)), [len(given) for given in references])
        flat = [reference for given in references for reference in given]
        words = [text.split() for text in (*hypotheses, *flat)]
        ngrams = ngram_counts(words, LONGEST)
        given = [counts.of(0, len(hypotheses)) for counts in ngrams]
        true = [counts.of(len(hypotheses), len(words)) for counts in ngrams]
        return cls(
            matches=np.stack(
                [_clipped(*pair, of_reference, len(hypotheses)) for pair in zip(given, true, strict=True)], 1
            ),
            guesses=_guesses([len(text) for text in words[: len(hypotheses)]]),
            lengths=_lengths(words[: len(hypotheses)], words[len(hypotheses) :], of_reference),
            rouge_l=_rouge_l(hypotheses, flat, of_reference),
            cider=_cider(given, true, of_reference, len(hypotheses)),
            meteor=meteor,
        )

    def values(self) -> dict[str, float]:
        """Each measure over all samples: a share of 1, but CIDEr from 0 to 10 (coco-caption's tens); NaN of no samples."""
        once = np.ones((1, len(self.cider)))
        return {name: float(estimates[0]) for name, estimates in self.replicates(once).items()}

    def replicates(self, weights: NDArray[np.generic]) -> Mapping[str, NDArray[np.float64]]:
        """Each measure under every row of ``weights`` (R, N), how often each sample counts; NaN where none does.

        BLEU and METEOR are of the corpus that is drawn. CIDEr's document frequencies stay those of the whole evaluated set, so
        that a sample's score does not depend on what else is drawn.
        """
        ones = np.ones((len(self.cider), 1))
        columns = np.hstack([self.matches, self.guesses, self.lengths, np.stack([self.rouge_l, self.cider], 1), ones])
        sums = weighted_sums(columns, np.asarray(weights).T)
        samples = np.where(sums[:, -1] > 0, sums[:, -1], np.nan)
        bleu = _bleu(sums[:, :4], sums[:, 4:8], sums[:, 8], sums[:, 9])
        bleu[np.isnan(samples)] = np.nan
        found = {name: bleu[:, column] for column, name in enumerate(MEASURES[:LONGEST])}
        found |= {"rouge-l": sums[:, 10] / samples, "cider": sums[:, 11] / samples}
        if self.meteor is not None:
            found[METEOR] = np.where(np.isnan(samples), np.nan, self.meteor.scores(weights))
        return found


def _check(references: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> None:
    if len(references) != len(hypotheses):
        raise UsageError(
            f"{len(hypotheses)} generated texts cannot be compared with the references of {len(references)}",
            fix="give one list of references to each",
        )
    for sample, given in enumerate(references):
        if isinstance(given, str) or not given:
            raise UsageError(
                f"the generated text {sample} has no list of references", fix="an empty text is '' in a list"
            )


def _clipped(
    given: NgramCounts, true: NgramCounts, of_reference: NDArray[np.int64], samples: int
) -> NDArray[np.float64]:
    """(N,) n-grams of each hypothesis that a reference has, each at most as often as in the reference that has it most."""
    keys = true.keys(of_reference)
    order = np.argsort(keys, kind="stable")
    known, first = np.unique(keys[order], return_index=True)
    most = np.maximum.reduceat(true.count[order], first) if len(known) else np.zeros(0)
    clipped = np.minimum(given.count, looked_up(given.keys(), known, most.astype(np.float64)))
    return summed(clipped, given.text, samples)


def _guesses(words: Sequence[int]) -> NDArray[np.float64]:
    lengths = np.array(words, np.float64)[:, None]
    return np.maximum(lengths - np.arange(LONGEST), 0.0).reshape(-1, LONGEST)


def _lengths(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]], of_reference: NDArray[np.int64]
) -> NDArray[np.float64]:
    given = np.array([len(text) for text in hypotheses], np.float64)
    true = np.array([len(text) for text in references], np.float64)
    order = np.lexsort((true, np.abs(true - given[of_reference]), of_reference))
    nearest = order[np.unique(of_reference[order], return_index=True)[1]]
    return np.stack([given, true[nearest]], 1)


def _bleu(
    matches: NDArray[np.float64],
    guesses: NDArray[np.float64],
    given_length: NDArray[np.float64],
    true_length: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(R, 4) the geometric means of the precisions, times the brevity penalty (Papineni et al., ACL 2002; coco-caption)."""
    precisions = np.cumprod((matches + _TINY) / (guesses + _SMALL), axis=1)
    means = precisions ** (1 / np.arange(1, LONGEST + 1))
    ratio = (given_length + _TINY) / (true_length + _SMALL)
    return means * np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)[:, None]


def _rouge_l(
    hypotheses: Sequence[str], references: Sequence[str], of_reference: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(N,) F of the best precision and the best recall of the longest common subsequence (Lin, ACL workshop 2004).

    coco-caption splits at every single blank, so that an empty text is one empty word.
    """
    from rapidfuzz.distance import LCSseq

    split = [text.split(" ") for text in (*hypotheses, *references)]
    numbers = word_numbers(word for text in split for word in text)
    coded = [[numbers[word] for word in text] for text in split]
    given, true = coded[: len(hypotheses)], coded[len(hypotheses) :]
    precision, recall = np.zeros(len(given)), np.zeros(len(given))
    for sample, reference in zip(of_reference.tolist(), true, strict=True):
        common = LCSseq.similarity(given[sample], reference)
        precision[sample] = max(precision[sample], common / len(given[sample]))
        recall[sample] = max(recall[sample], common / len(reference))
    below = recall + _BETA**2 * precision
    return np.divide((1 + _BETA**2) * precision * recall, below, out=np.zeros(len(given)), where=below > 0)


def _cider(
    given: Sequence[NgramCounts], true: Sequence[NgramCounts], of_reference: NDArray[np.int64], samples: int
) -> NDArray[np.float64]:
    """(N,) CIDEr-D (Vedantam et al., CVPR 2015): clipped cosines of tf-idf vectors of n-grams, times 10.

    Document frequencies are over the references of all samples; a Gaussian of the difference in the number of bigrams
    penalises length, as coco-caption has it.
    """
    bigrams = summed(given[1].count, given[1].text, samples)[of_reference]
    bigrams -= summed(true[1].count, true[1].text, len(of_reference))
    penalty = np.exp(-(bigrams**2) / (2 * _SIGMA**2))
    cosines = sum(_cosines(*pair, of_reference, samples) for pair in zip(given, true, strict=True)) / LONGEST
    references = np.bincount(of_reference, minlength=samples)
    return 10 * summed(cosines * penalty, of_reference, samples) / references


def _cosines(
    given: NgramCounts, true: NgramCounts, of_reference: NDArray[np.int64], samples: int
) -> NDArray[np.float64]:
    """(references,) the clipped cosine of each reference and its hypothesis, in n-grams of one length."""
    frequency = np.bincount(np.unique(true.keys(of_reference)) % true.kinds, minlength=true.kinds)
    rarity = np.log(float(max(samples, 1))) - np.log(np.maximum(frequency, 1))
    of_given, of_true = given.count * rarity[given.ngram], true.count * rarity[true.ngram]
    theirs = looked_up(true.keys(of_reference), given.keys(), of_given)
    dot = summed(np.minimum(theirs, of_true) * of_true, true.text, len(of_reference))
    norm = np.sqrt(summed(of_true**2, true.text, len(of_reference)))
    norm *= np.sqrt(summed(of_given**2, given.text, samples))[of_reference]
    return np.divide(dot, norm, out=np.zeros(len(dot)), where=norm > 0)
