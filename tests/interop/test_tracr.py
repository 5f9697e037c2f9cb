"""Laws of the drop-in for Tracr: its evaluators, the program and the weights agree on every expression."""

import itertools
import logging
import time

import numpy as np
import pytest
from tracr_programs import LIBRARY, ODD, PROGRAMS, diamonds

from janiform.errors import JaniformError, ProgramError
from janiform.interop.tracr import causal_eval, compiling, lib, rasp
from janiform.interop.tracr.compiling import compile_rasp_to_model, to_program
from janiform.ir.functions import same

BOS = "compiler_bos"
PAD = "compiler_pad"
FUTURE = {"length primitive"}
"""Programs whose evaluator knows what no causal transformer can."""


def inputs(vocab, length):
    found = [list(x) for n in range(1, length + 1) for x in itertools.product(vocab, repeat=n)]
    return found[:: 1 + len(found) // 60]


def agree(a, b):
    return len(a) == len(b) and all(x == y or same(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("causal", [False, True], ids=["bidirectional", "causal"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_evaluator_program_and_weights_agree(name, causal):
    """What Tracr's evaluator says, the interpreter says and the weights compute."""
    expr, vocab, length = PROGRAMS[name]
    if causal and name in FUTURE:
        pytest.skip("a causal transformer cannot know the length")
    evaluator = causal_eval if causal else rasp
    program = to_program(expr, vocab, length, causal)
    model = compile_rasp_to_model(expr, vocab, length, causal)
    boxes = model.boxes
    for x in inputs(vocab, length):
        if name.startswith("constant se") and len(x) < length:
            continue
        expected = evaluator.evaluate(expr, x)
        assert agree(expected, [boxes.get(v, v) for v in program(x, causal=causal)]), x
        output = model.apply([BOS, *x])
        assert output.decoded[0] == BOS
        assert agree(expected, output.decoded[1:]), x


@pytest.mark.parametrize("name", ["reverse", "hist", "shuffle dyck", "sort", "mean of numbers"])
def test_padding_changes_nothing(name):
    """Padding after an input leaves its values alone."""
    expr, vocab, length = PROGRAMS[name]
    model = compile_rasp_to_model(expr, vocab, length)
    for x in inputs(vocab, length - 1):
        padded = model.apply([BOS, *x, *[PAD] * (length - len(x))])
        assert agree(expr(x), padded.decoded[1 : 1 + len(x)])


def test_activations_have_tracrs_shapes():
    """Two residuals and outputs a layer, one array of scores a layer; residuals add up."""
    model = compile_rasp_to_model(*LIBRARY["shuffle dyck"])
    output, config = model.apply([BOS, "(", ")"]), model.model_config
    width = len(model.residual_labels)
    assert len(output.residuals) == len(output.layer_outputs) == 2 * config.num_layers
    assert {r.shape for r in output.residuals + output.layer_outputs} == {(1, 3, width)}
    assert {a.shape for a in output.attn_logits} == {(1, config.num_heads, 3, 3)}
    assert np.allclose(output.input_embeddings + sum(output.layer_outputs), output.transformer_output)
    assert np.array_equal(output.transformer_output, output.residuals[-1])
    assert output.unembedded_output.shape == (1, 3)
    assert model.output_encoder.decode(output.unembedded_output[0, 1:].tolist()) == output.decoded[1:]


@pytest.mark.parametrize("name", ["shuffle dyck", "sort", "identity"])
def test_forward_runs_given_parameters(name):
    """The parameters by Haiku's names are the model; others give another."""
    expr, vocab, length = PROGRAMS[name]
    model = compile_rasp_to_model(expr, vocab, length)
    tokens = [BOS, *inputs(vocab, 2)[-1]]
    ids = np.array([model.input_encoder.encode(tokens)])
    given, own = model.forward(model.params, ids), model.apply(tokens)
    assert np.array_equal(given.unembedded_output, own.unembedded_output, equal_nan=True)
    nothing = {m: {k: np.zeros_like(w) for k, w in p.items()} for m, p in model.params.items()}
    assert not model.forward(nothing, ids).transformer_output.output.any()


def test_parameters_have_haikus_names():
    """Projections are matrices whose columns hold the heads side by side."""
    model = compile_rasp_to_model(*LIBRARY["reverse"])
    config, width = model.model_config, len(model.residual_labels)
    columns = config.num_heads * config.key_size
    assert model.params["transformer/layer_0/attn/query"]["w"].shape == (width, columns)
    assert model.params["transformer/layer_0/attn/linear"]["w"].shape == (columns, width)
    assert model.params["transformer/layer_0/mlp/linear_1"]["w"].shape == (width, config.mlp_hidden_size)
    assert model.params["token_embed"]["embeddings"].shape == (len("abc") + 2, width)


def test_encoders_refuse_what_they_do_not_know():
    """A wrong beginning, an unknown token, a long input and misplaced padding are errors, of Tracr's kind too."""
    encoder = compile_rasp_to_model(rasp.tokens, "ab", 2).input_encoder
    for wrong in (["a"], [], [BOS, "z"], [BOS, "a", "b", "a"], [BOS, PAD, "a"]):
        with pytest.raises(ValueError) as caught:
            encoder.encode(wrong)
        assert isinstance(caught.value, JaniformError)
    assert encoder.decode(encoder.encode([BOS, "a", PAD])) == [BOS, "a", PAD]
    assert encoder.encoding_map[BOS] == encoder.bos_encoding
    with pytest.raises(ValueError, match="in the vocabulary"):
        compile_rasp_to_model(rasp.tokens, {"a", BOS}, 2)
    with pytest.raises(ValueError, match="in the vocabulary"):
        compile_rasp_to_model(rasp.tokens, {"a", "x"}, 2, compiler_pad="x")


def test_meaningless_inputs_do_not_forbid_the_others():
    """What raises or mixes on some inputs is compiled for the rest, as Tracr does."""
    sort = compile_rasp_to_model(lib.make_sort_unique(rasp.tokens, rasp.tokens), "abc", 3)
    assert sort.apply([BOS, "c", "a", "b"]).decoded[1:] == ["a", "b", "c"]
    inverse = compile_rasp_to_model(rasp.Map(lambda x: 1 / x, rasp.tokens), [0, 1, 2], 2)
    assert inverse.apply([BOS, 2, 0]).decoded[1:] == [0.5, None]
    never = compile_rasp_to_model(rasp.Map(lambda x: x if x < 0 else 1 / int(x), rasp.Full(0)), "ab", 2)
    assert never.apply([BOS, "a"]).decoded[1:] == [None]


def test_functions_that_always_fail_raise():
    """A function without a single value is an error at compile time: the function's own."""
    with pytest.raises(TypeError):
        to_program(rasp.Map(lambda x: x.upper() + 1, rasp.tokens), "ab", 2)


def test_length_is_refused_where_it_cannot_be_known():
    """A causal transformer does not see the end of the input."""
    with pytest.raises(NotImplementedError, match="causal"):
        compile_rasp_to_model(rasp.length, "ab", 3, causal=True)


def test_shared_expressions_are_visited_once():
    """A graph of 200 diamonds, with as many paths as 2 to the 200, evaluates and translates at once."""
    expr = diamonds(200)
    start = time.process_time()
    expected = rasp.evaluate(expr, [1, 2, 4])
    assert to_program(expr, range(5), 3)([1, 2, 4]) == expected
    assert time.process_time() - start < 5


@pytest.mark.parametrize("simplify", [True, False])
def test_shared_selectors_are_visited_once(simplify):
    """Selectors joined with themselves forty times over evaluate and compile at once."""
    if simplify:
        a = rasp.Select(rasp.tokens, rasp.indices, rasp.Comparison.EQ)
        b = rasp.Select(rasp.tokens, rasp.indices, rasp.Comparison.LT)
    else:
        a = rasp.Select(rasp.tokens, rasp.indices, rasp.Comparison.EQ)
        b = rasp.Select(rasp.indices, rasp.tokens, rasp.Comparison.LT)
    for _ in range(40):
        a, b = rasp.selector_and(a, b, simplify), ~rasp.selector_or(b, a, simplify)
    expr = rasp.SelectorWidth(rasp.selector_or(a, b, simplify))
    start = time.process_time()
    expected = rasp.evaluate(expr, [0, 1, 0])
    assert agree(expected, to_program(expr, [0, 1], 3)([0, 1, 0]))
    assert agree(expected, compile_rasp_to_model(expr, [0, 1], 3).apply([BOS, 0, 1, 0]).decoded[1:])
    assert time.process_time() - start < 5


def test_deep_expressions_do_not_exhaust_the_stack():
    """Three thousand maps on top of each other evaluate, merged or not."""
    merged = apart = rasp.tokens
    for _ in range(3000):
        merged, apart = merged + 1, rasp.Map(lambda x: x + 1, apart, simplify=False)
    assert merged([0]) == apart([0]) == [3000]


def test_names_reach_the_program():
    """A name that the author gave names the node, and the output."""
    program = to_program(lib.make_reverse(rasp.tokens), "ab", 3)
    assert list(program.outputs) == ["reverse"]
    assert "reverse_selector" in program.names.values()


def test_copies_are_others_with_the_same_children():
    """A copy has a number of its own; naming or annotating it leaves the original alone."""
    expr = (rasp.tokens + 1).named("foo")
    number, copy = expr.unique_id, expr.copy()
    assert copy.unique_id != number and copy.name == "foo" and copy.children[0] is expr.children[0]
    assert expr.annotated(note=3).annotations["note"] == 3 and "note" not in expr.annotations
    assert expr.label == f"foo_{number}" and rasp.tokens.label == "tokens"
    with pytest.raises(KeyError, match="no annotation 'note'"):
        expr.annotations["note"]


def test_default_annotators_can_be_added(monkeypatch):
    """An annotator answers for every expression that has no such annotation."""
    monkeypatch.setitem(rasp.DEFAULT_ANNOTATORS, "arity", lambda e: len(e.children))
    assert (rasp.tokens + rasp.indices).annotations["arity"] == 2


def test_selectors_merge_where_they_read_the_same():
    """Selects over the same or constant keys and queries become one; negation reaches the predicate."""
    first = rasp.Select(rasp.Full(1), rasp.indices, rasp.Comparison.GEQ)
    second = rasp.Select(rasp.tokens, rasp.indices, rasp.Comparison.LEQ)
    merged = rasp.selector_or(first, second)
    assert isinstance(merged, rasp.Select) and merged.keys is rasp.tokens
    assert merged([2, 0]) == rasp.selector_or(first, second, simplify=False)([2, 0])
    assert isinstance(rasp.selector_not(first), rasp.Select)
    assert isinstance(rasp.selector_not(first, simplify=False), rasp.SelectorNot)


def test_evaluation_refuses_what_has_no_meaning():
    """Undefined values in comparisons, means of different strings, constants of another length."""
    with pytest.raises(ValueError, match="query is None"):
        rasp.Select(rasp.tokens, lib.shift_by(1, rasp.tokens), rasp.Comparison.EQ)("ab")
    everywhere = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE)
    assert rasp.Aggregate(everywhere, rasp.tokens)("aa") == ["a", "a"]
    with pytest.raises(ValueError, match="no meaning"):
        rasp.Aggregate(everywhere, rasp.tokens)("ab")
    with pytest.raises(ValueError, match="match"):
        rasp.ConstantSOp([1])("ab")


def test_wrong_parts_are_refused_by_name():
    """A selector where a sequence is due, or the other way round, and a map without a function."""
    selector = rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ)
    for build in (
        lambda: rasp.Map(lambda x: x, selector),
        lambda: rasp.Map(rasp.tokens, rasp.tokens),
        lambda: rasp.SelectorWidth(rasp.tokens),
        lambda: rasp.Aggregate(rasp.tokens, selector),
        lambda: rasp.Select(1, rasp.tokens, rasp.Comparison.EQ),
        lambda: rasp.SelectorAnd(selector, rasp.tokens),
        lambda: lib.make_shuffle_dyck([]),
    ):
        with pytest.raises(ProgramError):
            build()


def test_a_map_of_one_sequence_twice_is_remarked_on(caplog):
    """It works, and the log says what says it better."""
    with caplog.at_level(logging.WARNING):
        assert (rasp.tokens + rasp.tokens)([1]) == [2]
    assert "same expression" in caplog.text


def test_subclasses_of_evaluators_see_every_expression():
    """An evaluator that overrides ``evaluate`` is asked for each subexpression."""

    class Counting(rasp.DefaultRASPEvaluator):
        seen: list[str] = []

        def evaluate(self, expr, xs):
            self.seen.append(expr.name)
            return super().evaluate(expr, xs)

    Counting().evaluate(lib.make_hist(), "ab")
    assert {"tokens", "same_tok", "hist"} <= set(Counting.seen)


def test_encodings_are_noted():
    """Encodings are annotations, categorical unless said otherwise; a selector has none."""
    assert rasp.is_categorical(rasp.tokens) and rasp.is_numerical(rasp.numerical(rasp.tokens))
    assert rasp.is_categorical(rasp.categorical(rasp.numerical(rasp.tokens)))
    assert rasp.get_encoding(rasp.tokens) is rasp.Encoding.CATEGORICAL
    with pytest.raises(TypeError, match="sequence operation"):
        rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.EQ).annotations["encoding"]


def test_exactness_has_no_effect():
    """The setting of Tracr's approximate MLPs is accepted."""
    expr, vocab, length = ODD["branches"]
    model = compiling.compile_rasp_to_model(expr, set(vocab), length, mlp_exactness=1)
    assert model.apply([BOS, 3, 0]).decoded == [BOS, "big", 0]
