"""Views of a model: some of its columns, their reference and all that watches them."""
