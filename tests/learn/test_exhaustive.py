"""Law 3 without a sample: draft, program, stand-alone Python and weights agree on every input of the published tasks."""

import pytest

from janiform.learn import Learning, learn
from janiform.tasks import algorithmic


@pytest.mark.slow
@pytest.mark.parametrize(
    "task", ["hist", "reverse", "double_hist", "sort", "dyck1", "induction", "most_freq"]
)
def test_four_faces_agree_on_the_whole_domain(task: str) -> None:
    learned = learn(Learning((task,), seed=3), check="exhaustive", executor="processes")
    same = learned.equality
    assert task == "most_freq" or learned.token_accuracy == learned.sequence_accuracy == 1.0
    assert same.equal and same.exhaustive and same.refused is None
    assert same.checked == algorithmic(task).size
