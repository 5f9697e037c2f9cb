"""The neural way from weights to a program: a network proposes what each head brings, and every proposal is tested.

``grammar`` writes programs as tokens of which every complete sequence is legal; ``views`` sees a model through quantities
that no change of basis, gauge or order touches; ``network`` reads these and writes tokens; ``search`` tests what it
writes on the model's own attention and values; ``finish`` adds the output. Nothing here reads a table off weights.
"""
