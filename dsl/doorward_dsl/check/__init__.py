"""Checks of resolved modules, one concern a file; each gives its diagnostics and changes nothing.

`safety` alone has a product as well: the bodies in an order in which every line finds its inputs bound.
"""
