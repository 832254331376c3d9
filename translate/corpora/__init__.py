"""Where sentence pairs come from: one module a source, each makes a `Corpus`; and files of pairs."""
