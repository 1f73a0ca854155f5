"""BLEU and chrF of translations, and when BLEU says nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TranslationScores:
    """Corpus scores from 0 to 100, with sacreBLEU's signatures; `note` is "" or one sentence."""

    bleu: float
    chrf: float
    bleu_signature: str
    chrf_signature: str
    note: str


def translation_scores(translations: list[str], references: list[str]) -> TranslationScores:
    """sacreBLEU (Post 2018) and its chrF (Popovic 2015), one reference for each translation.

    BLEU compares runs of up to four words. Where no reference has four (in 13a's tokens),
    sacreBLEU gives 0 to the references themselves.
    """
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF()
    score = bleu.corpus_score(translations, [references])
    other = chrf.corpus_score(translations, [references])
    note = ""
    if not BLEU().corpus_score(references, [references]).totals[-1]:
        note = (
            f"BLEU says nothing here: it compares runs of {bleu.max_ngram_order} words, and all "
            "references are shorter. Use chrF."
        )
    return TranslationScores(
        score.score, other.score, str(bleu.get_signature()), str(chrf.get_signature()), note
    )
