"""Data files of the package; one card per data set in README.md."""
