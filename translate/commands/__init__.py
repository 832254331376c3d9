"""The verbs of `seq2see`, one module each: its docstring is its help, then `add_arguments` and `run`."""
