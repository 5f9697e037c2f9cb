"""Compile programs with Tracr, and keep their parameters, encoders and what Tracr's interpreter says of all inputs: FOLDER MAXIMUM-LENGTH CASE...

Runs under a Python that has Tracr (see benchmarks/README.md).
"""

import itertools
import json
import sys
from pathlib import Path

VOCAB = [0, 1, 2, 3]


def keep(case: str, longest: int, path: Path) -> None:
    import numpy as np
    from tracr.rasp import rasp
    from tracr_worker import build, compiled

    model, program = compiled(case, VOCAB, longest), build(case, longest)
    inputs = [x for n in range(1, longest + 1) for x in itertools.product(VOCAB, repeat=n)]

    arrays = {
        f"{module}|{key}": np.asarray(w) for module, own in model.params.items() for key, w in own.items()
    }
    outputs = getattr(model.output_encoder, "encoding_map", None)
    facts = {
        "heads": model.model_config.num_heads,
        "causal": model.model_config.causal,
        "bos": model.input_encoder.bos_token,
        "pad": model.input_encoder.pad_token,
        "inputs": list(model.input_encoder.encoding_map.items()),
        "outputs": None if outputs is None else list(outputs.items()),
        "interpreted": [(x, rasp.evaluate(program, list(x))) for x in inputs],
    }
    np.savez(path.with_suffix(".npz"), **arrays)
    path.with_suffix(".json").write_text(json.dumps(facts))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for case in sys.argv[3:]:
        keep(case, int(sys.argv[2]), folder / case)
