"""How this project is built: setuptools, and the frontend before it."""
