"""Readers of texts: tags become IOB2, words become codes, and a file in another format is refused at its line."""

import numpy as np
import pytest

from janiform.errors import FileError, InputError
from janiform.tasks import read_classes, read_ner

CONLL = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
1996-08-22 CD I-NP O

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER
London NNP I-NP I-LOC
Oslo NNP I-NP B-LOC
"""


@pytest.fixture
def file(tmp_path):
    """Write text or bytes to a file of its own and return the path."""

    def write(content, name="file.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def ner(path, **settings):
    return read_ner(path, path, path, **settings)


def tags(data, examples):
    return [[data.labels[c] for c in row if c >= 0] for row in examples.y.tolist()]


def test_iob1_becomes_iob2(file):
    data = ner(file(CONLL))
    assert tags(data, data.test) == [["B-ORG", "O", "O"], ["B-PER", "I-PER", "B-LOC", "B-LOC"]]
    assert data.train.y[0, [0, 4]].tolist() == [-1, -1], "nothing is asked at the ends"
    assert not data.pooled


def test_iob2_stays(file):
    """Two columns; a line of white space ends a sentence."""
    data = ner(file("Empire\tB-location\nState\tI-location\nRome\tB-location\n\t\nhi\tO\n"))
    assert tags(data, data.test) == [["B-location", "I-location", "B-location"], ["O"]]


def test_each_run_of_digits_is_one_sign_and_case_is_kept(file):
    data = ner(file(CONLL))
    assert data.decode(data.train.x)[0] == ["<s>", "EU", "rejects", "@-@-@", "</s>"]


def test_long_sentences_are_left_out_and_counted(file):
    data = ner(file(CONLL), max_len=5)
    assert len(data.train) == 1
    assert data.notices[0] == "file.txt: left out 1 of 2 sentences, those of more than 3 words"


def test_the_vocabulary_is_the_most_frequent_words_of_the_training_file(file):
    train = file("b O\na O\na O\nc O\n".replace(" ", "\t"), "train")
    test = file("d\tO\na\tO\nb\tO\n", "test")
    data = read_ner(train, train, test, vocab_size=2)
    assert set(data.signature.vocab) == {"<s>", "</s>", "<unk>", "a", "b"}
    assert data.decode(data.test.x) == [["<s>", "<unk>", "a", "b", "</s>"]]


def test_words_that_look_special_are_unknown(file):
    data = ner(file("<s>\tO\n<pad>\tO\nBOS\tO\n"))
    assert data.decode(data.train.x) == [["<s>", "<unk>", "<unk>", "BOS", "</s>"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("EU NNP I-ORG\n", "line 1: 'EU NNP I-ORG' has 3 columns and not 2 or 4; .*'EU NNP I-NP I-ORG'"),
        ("EU\tO\n\nis\n", "line 3: 'is' has 1 column and not the 2 of the lines before"),
        ("EU\tS-ORG\n", "line 1: .*the tag 'S-ORG', which is not O, B-... or I-..."),
        ("\n\n", "no sentence"),
        (b"EU\tO\n\0\0", "line 2 holds a zero byte"),
    ],
)
def test_what_is_not_named_entities_is_refused(file, content, message):
    with pytest.raises(FileError, match=rf"file.txt\S* ?.*{message}"):
        ner(file(content))


def test_faults_outside_of_files_are_named(tmp_path, file):
    with pytest.raises(FileError, match="nothing.txt cannot be read: No such file"):
        read_classes(tmp_path / "nothing.txt")
    with pytest.raises(InputError, match="'xml'; there are 'auto'"):
        read_classes(file("1 a\n"), format="xml")
    with pytest.raises(InputError, match="max_len=2"):
        ner(file(CONLL), max_len=2)


def test_labeled_lines(file):
    """Lower-cased, split at spaces, cut, in Latin-1 where it is not UTF-8; a fine label gives its coarse part."""
    data = read_classes(file("DESC:manner How is caf\xe9 \x85 made ?\n".encode("latin-1") * 10), max_len=6)
    assert data.decode(data.test.x) == [["<s>", "how", "is", "café", "\x85", "</s>"]]
    assert (data.labels, data.pooled, data.train.y.shape) == (("DESC",), True, (8,))
    assert data.notices == ("cut 10 of 10 texts at 4 words",)


def test_quoted_rows_of_two_and_three_columns_agree(file):
    """Three-column classes count from 1, the others from 0."""
    two = file('text,label\n"It\'s a ""Deal"", he said",0\n"Goal!",1\n' + "x,1\n" * 8, "two.csv")
    three = file('"1","It\'s a","deal"\n"2","Goal","in\\time"\n', "three.csv")
    data = read_classes(two, three)
    assert data.labels == ("0", "1")
    assert data.test.y.tolist() == [0, 1]
    assert data.decode(data.test.x) == [
        ["<s>", "it's", "a", "deal", "</s>"],
        ["<s>", "goal", *["<unk>"] * 2, "</s>"],
    ]
    assert "said" in data.signature.vocab


def test_what_is_not_held_out_in_files_is_held_out_by_seed(file):
    path = file("".join(f"{i % 2} w{i}\n" for i in range(100)))
    data = read_classes(path, seed=1)
    assert [len(p) for p in (data.train, data.validation, data.test)] == [80, 10, 10]
    assert (read_classes(path, seed=1).train.y == data.train.y).all()
    assert read_classes(path, seed=2).decode(read_classes(path, seed=2).train.x) != data.decode(data.train.x)
    given = read_classes(path, path, path)
    assert [len(p) for p in (given.train, given.validation, given.test)] == [100, 100, 100]


@pytest.mark.parametrize(
    ("content", "format", "message"),
    [
        ("1 fine\nbad\n", "lines", "line 2: 'bad' has a label and no text; .*'lines' is a label, a space"),
        ("EU\tI-ORG\n", "auto", "line 1: .*which is not one word"),
        (
            "".join(f"w{i} text\n" for i in range(200)),
            "auto",
            "line 101: .*the 101st different label, 'w100'",
        ),
        (
            '"a","b"\n"c"\n',
            "auto",
            "line 2: 'c' has 1 column and not the 2 of the rows before; .*'csv' is text",
        ),
        ('"1","a","b","c"\n', "csv", "line 1: .*4 columns and not 2 or 3"),
        ('"a",1\n"open,2\n', "csv", "line .*faulty quotes"),
        ("1,a text\n2,a text\n", "csv", "the label 'a text', which is not one word"),
        ("", "auto", "holds no text"),
        ("1 a\n", "auto", "holds 1 text"),
        (b"\x89PNG\r\n\x1a\n\0", "auto", "line 3 holds a zero byte"),
    ],
)
def test_what_is_not_classes_is_refused(file, content, format, message):
    with pytest.raises(FileError, match=message):
        read_classes(file(content), format=format)


def test_a_label_that_only_the_test_has_is_refused(file):
    with pytest.raises(
        FileError, match=r"test has the label '7', which no training text has; those have '0'"
    ):
        read_classes(file("0 a\n" * 10, "train"), file("7 a\n", "test"))


@pytest.mark.shared
def test_published_corpora_are_read_whole(shared_data):
    """The counts are those that the corpora state."""
    folder = shared_data / "text"
    conll = read_ner(
        *(folder / "conll2003" / f"eng.{part}" for part in ("train", "testa", "testb")), max_len=150
    )
    assert [len(p) for p in (conll.train, conll.validation, conll.test)] == [14_041, 3_250, 3_453]
    entities = [
        sum(t.startswith("B-") for row in tags(conll, p) for t in row) for p in (conll.train, conll.test)
    ]
    assert (entities, conll.notices) == ([23_499, 5_648], ())
    names = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
    wnut = read_ner(*(folder / "wnut17" / name for name in names), max_len=150)
    assert [len(p) for p in (wnut.train, wnut.validation, wnut.test)] == [3_394, 1_009, 1_287]


@pytest.mark.shared
def test_published_classes_are_read_whole(shared_data):
    folder = shared_data / "text"
    for files, counts, classes in (
        (("trec/train.txt", "trec/test.txt"), [4_907, 545, 500], 6),
        (("mr/all.txt",), [8_530, 1_066, 1_066], 2),
        (("subj/all.txt",), [8_000, 1_000, 1_000], 2),
        (("agnews/train_5000.csv", "agnews/test.csv"), [4_500, 500, 7_600], 4),
    ):
        data = read_classes(*(folder / name for name in files))
        assert [len(p) for p in (data.train, data.validation, data.test)] == counts
        assert len(data.labels) == classes
        assert np.unique(data.test.y).tolist() == list(range(classes))
