"""Text as rows: documents of every kind, tokenizers that are read back, and nothing that is both trained on and held out."""

import gzip
import json

import numpy as np
import pytest

from janiform.errors import FileError, InputError
from janiform.procedural import tokenizers
from janiform.procedural.corpus import Corpus, corpus
from janiform.procedural.documents import documents
from janiform.procedural.runs import resume, run
from janiform.procedural.tokenizers import END, Bytes, Characters, fit, read_tokenizer
from janiform.procedural.training import Training
from janiform.train import read_log

WORDS = [
    "the cat sat on the mat",
    "a dog ran after the cat",
    "Über größe Bäume läuft der Hund",
    "x = [1, 2]\n",
]


def numbered(count: int) -> list[str]:
    return [f"document {i}: {WORDS[i % 4]} {i * i}" for i in range(count)]


def test_documents_of_every_kind(tmp_path):
    folder = tmp_path / "text"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_text(WORDS[0])
    (folder / "b" / "code.py").write_text(WORDS[3])
    (folder / "b" / "picture.png").write_bytes(b"\x89PNG\0\xff")
    (folder / "c.json.gz").write_bytes(gzip.compress(json.dumps({"text": WORDS[1], "url": "u"}).encode()))
    (folder / "d.jsonl").write_text("".join(json.dumps({"content": w}) + "\n" for w in WORDS[1:3]))
    assert list(documents([folder])) == [WORDS[0], WORDS[3], WORDS[1], *WORDS[1:3]]
    assert list(documents([folder / "a.txt", folder / "c.json.gz"])) == WORDS[:2]
    with pytest.raises(FileError, match="is no text in UTF-8"):
        list(documents([folder / "b" / "picture.png"]))
    (folder / "e.jsonl").write_text('{"words": 1}\n')
    with pytest.raises(FileError, match="line 1: .* has no text under text or content"):
        list(documents([folder]))


def test_tables_and_saved_data_sets(tmp_path):
    datasets = pytest.importorskip("datasets", reason="datasets is absent")
    made = datasets.Dataset.from_dict({"content": WORDS})
    made.to_parquet(str(tmp_path / "table.parquet"))
    made.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": made}).save_to_disk(str(tmp_path / "several"))
    for name in ("table.parquet", "one", "several"):
        assert list(documents([tmp_path / name])) == WORDS


@pytest.mark.parametrize("name", ["bytes", "characters", "bpe:300"])
def test_a_tokenizer_is_read_back_and_loses_nothing(tmp_path, name):
    if name.startswith("bpe"):
        pytest.importorskip("tokenizers", reason="tokenizers is absent")
    made = fit(name, WORDS)
    (tmp_path / "kept.json").write_text(made.write())
    again = read_tokenizer(tmp_path / "kept.json")
    for text in WORDS:
        ids = made.encode(text)
        assert ids.max() < made.d_vocab and made.end not in ids
        assert (again.encode(text) == ids).all() and (again.d_vocab, again.end) == (made.d_vocab, made.end)
        match made:
            case Bytes():
                assert bytes(ids.astype(np.uint8)).decode() == text
            case Characters(known):
                assert "".join(known[i] for i in ids) == text
            case tokenizers.Pairs(inner):
                assert inner.decode(ids.tolist()) == text and len(ids) < len(text.encode())


def test_a_tokenizer_of_hugging_face_is_taken(tmp_path):
    pytest.importorskip("tokenizers", reason="tokenizers is absent")
    made = fit("bpe:300", WORDS)
    (tmp_path / "tokenizer.json").write_text(made.inner.to_str())
    for place in (tmp_path, tmp_path / "tokenizer.json"):
        found = fit(str(place), [])
        assert (found.encode(WORDS[0]) == made.encode(WORDS[0])).all()
        assert found.end == made.inner.token_to_id(END)


@pytest.mark.parametrize("count", [30, 400])
def test_no_document_is_on_both_sides(count):
    """Of many documents some are held out; of few the end of the text is. Nothing is lost."""
    texts = numbered(count)
    made = Corpus.of(lambda: texts, "bytes", 16)
    train, held = (bytes(np.where(i < 256, i, 10).astype(np.uint8)) for i in (made.train, made.validation))
    # what ends a document stands for a line's end here, and so does the one in some documents
    assert sorted((train + held).decode().split("\n")) == sorted("\n".join([*texts, ""]).split("\n"))
    assert 0.02 < len(made.validation) / len(made.train) < 0.12
    if count > 100:
        sides = [{line for line in ids.decode().split("\n") if line} for ids in (train, held)]
        assert not {t for t in sides[0] if t in sides[1]} - {""}


def test_an_epoch_takes_each_block_once():
    digits = "".join(map(str, np.random.default_rng(0).integers(0, 10, 3000)))
    made = Corpus.of(lambda: [digits], "bytes", 10)
    blocks = (len(made.train) - 1) // 10 - 1
    for first in (0, blocks):
        seen = made.rows(first, first + blocks).tokens
        assert len(np.unique(seen[:, :-1], axis=0)) == blocks
    assert (made.rows(0, blocks).tokens != made.rows(blocks, 2 * blocks).tokens).any()


def test_rows_are_a_function_of_their_number():
    made = Corpus.of(lambda: numbered(60), "bytes", 10)
    whole = made.rows(0, 500, seed=3)
    assert (made.rows(123, 321, seed=3).tokens == whole.tokens[123:321]).all()
    assert (made.rows(0, 500, seed=4).tokens != whole.tokens).any()
    assert (whole.begin == 1).all() and (whole.end == 11).all()


def test_a_corpus_is_kept(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(numbered(60)))
    first = corpus([str(tmp_path / "a.txt")], "characters", 10, tmp_path / "kept")
    (tmp_path / "a.txt").unlink()
    again = corpus([str(tmp_path / "a.txt")], "characters", 10, tmp_path / "kept")
    assert (first.rows(0, 9).tokens == again.rows(0, 9).tokens).all() and again.tokenizer == first.tokenizer


@pytest.mark.parametrize("tokenizer", ["bytes", "characters", "bpe:300"])
def test_a_model_learns_text_and_goes_on_with_it(tmp_path, tokenizer):
    """A few steps at width 16 lower the loss; a resumed run reads the ids that it kept."""
    if tokenizer.startswith("bpe"):
        pytest.importorskip("tokenizers", reason="tokenizers is absent")
    file = tmp_path / "a.txt"
    file.write_text("\n".join(numbered(200)))
    settings = {"text": [str(file)], "tokenizer": tokenizer, "context": 16, "layers": 1}
    budget = {"steps": 40, "batch": 8, "warmup": 5, "every": 20, "held": 20, "rate": 1e-2}

    def stop(done: int, total: int) -> None:
        if done == 25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Training.of({**settings, "budget": budget}), tmp_path / "run", tell=stop)
    file.unlink()
    found = resume(tmp_path / "run")
    assert found.curve[-1].loss < found.curve[0].loss - 0.5 and found.tokens == 40 * 8 * 17
    assert [line["step"] for line in read_log(tmp_path / "run" / "log.jsonl")] == [0, 20, 40]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"text": ["nowhere"], "context": 8}, "there is no text at 'nowhere'"),
        ({"context": 0}, "--context 128"),
        ({"context": 80}, "too few for rows of 81"),
        ({"context": 8, "tokenizer": "words"}, "no tokenizer 'words'; what would work: bytes, characters"),
        ({"context": 8, "tokenizer": "bpe:9"}, "bpe:N has from 257 to 65536 ids"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, settings, says):
    (tmp_path / "a.txt").write_text(" ".join(WORDS))
    with pytest.raises(InputError, match=says):
        run(Training.of({"text": [str(tmp_path / "a.txt")], **settings}))


@pytest.mark.parametrize("tokenizer", ["bytes", "characters"])
@pytest.mark.parametrize(
    "made",
    [{"a.txt": b""}, {"a.jsonl": b""}, {"a.jsonl": b'{"text": ""}'}, {"b/c.txt": b"", "d.bin": b"\0\1"}],
)
def test_what_holds_no_text_is_refused(tmp_path, tokenizer, made):
    """An empty file, lines without text, a folder of files that are empty or no text: said as such, and nothing is left behind."""
    for name, content in made.items():
        (tmp_path / "text" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "text" / name).write_bytes(content)
    place = tmp_path / "text" / name if len(made) == 1 else tmp_path / "text"
    with pytest.raises(InputError, match=f"there is no text in {place}: what is there is empty"):
        run(Training.of({"text": [str(place)], "tokenizer": tokenizer, "context": 8}), tmp_path / "run")
    assert not (tmp_path / "run" / "text").exists()
