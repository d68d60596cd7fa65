"""AWS: which targets there are, their pages, and the pages as Arrow tables."""
