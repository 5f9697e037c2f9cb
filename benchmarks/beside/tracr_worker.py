"""Measure Tracr: one request as JSON on standard input, one answer as JSON on standard output.

Runs under a Python that has Tracr (see benchmarks/README.md) and imports nothing of Janiform but the limit. Seconds are CPU seconds of
this process, all its threads together.
"""

import json
import sys
import time

from limit import limit_cpu


def cpu(start: float = 0.0) -> float:
    return time.process_time() - start


def build(case: str, n: int):
    """Return a case as Tracr's library writes it; ``n`` is the maximum length, which its sorts must know."""
    from tracr.compiler import lib
    from tracr.rasp import rasp

    makers = {
        "length": lib.make_length,
        "hist": lib.make_hist,
        "reverse": lambda: lib.make_reverse(rasp.tokens),
        "sort_unique": lambda: lib.make_sort_unique(rasp.tokens, rasp.tokens),
        "sort": lambda: lib.make_sort(rasp.tokens, rasp.tokens, max_seq_len=n, min_key=1),
        "sort_freq": lambda: lib.make_sort_freq(n),
        "frac_prevs": lambda: lib.make_frac_prevs(rasp.tokens == 1),
        "count": lambda: lib.make_count(rasp.tokens, 1),
        "count_less_freq": lambda: lib.make_count_less_freq(2),
        "shift_by": lambda: lib.shift_by(1, rasp.tokens),
        "detect_pattern": lambda: lib.detect_pattern(rasp.tokens, "abc"),
        "pair_balance": lambda: lib.make_pair_balance(rasp.tokens, "(", ")"),
        "shuffle_dyck1": lambda: lib.make_shuffle_dyck(["()"]),
        "shuffle_dyck2": lib.make_shuffle_dyck2,
    }
    return makers[case]()


def compiled(case: str, vocab: list, n: int):
    from tracr.compiler import compiling

    return compiling.compile_rasp_to_model(
        build(case, n), set(vocab), n, compiler_bos="BOS", compiler_pad="PAD"
    )


def compile_time(case: str, vocab: list, n: int, repeats: int = 3) -> dict:
    """Time the first compilation of a case in this process and the fastest of the following ones.

    One small program is compiled before, so that the start of the framework counts for nobody.
    """
    imported = cpu()
    compiled("sort_freq", [0, 1], 3)
    warmed = cpu()
    start = cpu()
    compiled(case, vocab, n)
    first, again = cpu(start), []
    for _ in range(repeats):
        start = cpu()
        compiled(case, vocab, n)
        again.append(cpu(start))
    return {"import": imported, "start": warmed - imported, "first": first, "again": min(again, default=None)}


def size(case: str, vocab: list, n: int) -> dict:
    """Count the parameters of a compiled case, and its layers and widths."""
    import jax

    model = compiled(case, vocab, n)
    config = model.model_config
    return {
        "parameters": int(sum(x.size for x in jax.tree_util.tree_leaves(model.params))),
        "layers": config.num_layers,
        "heads": config.num_heads,
        "d_head": config.key_size,
        "d_model": len(model.residual_labels),
        "d_mlp": config.mlp_hidden_size,
    }


def exactness(case: str, vocab: list, n: int, inputs: list) -> dict:
    """Count the inputs on which Tracr's compiled model differs from Tracr's interpreter.

    Positions that the interpreter leaves undefined are not compared; numbers may differ by 1e-3.
    """
    from tracr.rasp import rasp

    program, start = build(case, n), cpu()
    model = compiled(case, vocab, n)
    seconds, wrong, worst = cpu(start), 0, 0.0
    for tokens in inputs:
        expected = rasp.evaluate(program, tokens)
        got = model.apply(["BOS", *tokens]).decoded[1:]
        differs = False
        for e, g in zip(expected, got):
            if e is None:
                continue
            number = isinstance(g, float) and isinstance(e, (int, float))
            if number:
                worst = max(worst, abs(e - g))
            differs |= abs(e - g) > 1e-3 if number else e != g
        wrong += differs
    return {"inputs": len(inputs), "wrong": wrong, "error": worst, "compile": seconds}


def interpreter(case: str, n: int, inputs: list) -> dict:
    """Time Tracr's interpreter on all inputs, the fastest of three runs."""
    from tracr.rasp import rasp

    program = build(case, n)
    evaluator = rasp.DefaultRASPEvaluator()
    evaluator.evaluate(program, inputs[0])
    seconds = []
    for _ in range(3):
        start = cpu()
        outputs = [evaluator.evaluate(program, x) for x in inputs]
        seconds.append(cpu(start))
    return {"strings": len(inputs), "seconds": min(seconds), "outputs": outputs[:20]}


def main() -> None:
    request = json.load(sys.stdin)
    limit_cpu(request.pop("limit"))
    actions = {"compile": compile_time, "size": size, "exactness": exactness, "interpreter": interpreter}
    import tracr.compiler.compiling  # noqa: F401
    import tracr.compiler.lib  # noqa: F401

    try:
        answer = actions[request.pop("action")](**request)
    except Exception as e:  # whatever Tracr raises is the measurement
        answer = {"failed": f"{type(e).__name__}: {e}".splitlines()[0][:200]}
    answer["total"] = cpu()
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
