"""Train a model. The same as `seq2see train`; --help lists the options."""

import sys

from seq2see import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
