"""Calls that move money: the evidence about them.

`likeness` compares texts, `lessons` holds what normal answers have shown of the server, `replies` says what
one request proves, `evidence` what a list of charges proves.
"""
