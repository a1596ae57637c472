"""The split of texts by the hash of their group, so that hardly a text moves when data are added.

Near duplicates share a group, and no text that the champion learnt from becomes a test text.
"""
