"""Train a tokenizer. The same as `seq2see tokenizer`; --help lists the options."""

import sys

from seq2see import main

if __name__ == "__main__":
    sys.exit(main(["tokenizer", *sys.argv[1:]]))
