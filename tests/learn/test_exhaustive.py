"""Law 3 without a sample: draft, program, stand-alone Python and weights agree on every input of the published tasks."""

import pytest

from janiform.learn import Learning, learn


@pytest.mark.slow
@pytest.mark.parametrize(
    "task", ["hist", "reverse", "double_hist", "sort", "dyck1", "induction", "most_freq"]
)
def test_four_faces_agree_on_the_whole_domain(task: str) -> None:
    settings = Learning((task,), seed=3)
    learned = learn(settings, check="exhaustive", executor="processes")
    same = learned.equality
    assert learned.token_accuracy == learned.sequence_accuracy == 1.0
    assert same.equal and same.exhaustive and same.refused is None
    exercise = settings.exercise()
    assert exercise is not None and same.checked == exercise.size
