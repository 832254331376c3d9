"""Score translations. The same as `seq2see evaluate`; --help lists the options."""

import sys

from seq2see import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
