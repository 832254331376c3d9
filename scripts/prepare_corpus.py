"""Make a corpus. The same as `seq2see corpus`; --help lists the options."""

import sys

from seq2see import main

if __name__ == "__main__":
    sys.exit(main(["corpus", *sys.argv[1:]]))
