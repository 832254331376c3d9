"""Translate text. The same as `seq2see translate`; --help lists the options."""

import sys

from seq2see import main

if __name__ == "__main__":
    sys.exit(main(["translate", *sys.argv[1:]]))
