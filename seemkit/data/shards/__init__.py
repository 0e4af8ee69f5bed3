"""Folders whose images lie in tar files of some hundred each, for sets of very many files."""
