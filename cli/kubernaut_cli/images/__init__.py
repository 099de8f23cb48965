"""Action images as their author makes them: built, stamped with what they say of themselves, published."""
