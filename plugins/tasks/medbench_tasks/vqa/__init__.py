"""Visual question answering: by the method's own answerer, by the standard fusion head, or by MOTOR's two heads."""
