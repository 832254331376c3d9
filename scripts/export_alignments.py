"""Write alignments and heatmaps. The same as `seq2see align`; --help lists the options."""

import sys

from seq2see import main

if __name__ == "__main__":
    sys.exit(main(["align", *sys.argv[1:]]))
