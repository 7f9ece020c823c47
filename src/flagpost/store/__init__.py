"""Where state is kept. The only package that speaks SQLAlchemy; nothing here commits."""
