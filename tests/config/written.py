"""What a request writes to the database."""

from contextlib import contextmanager

from django.db import connection


@contextmanager
def written():
    """A list that fills with the statements that write, as long as this lasts."""
    statements = []

    def note(execute, sql, params, many, context):
        if sql.startswith(("INSERT", "UPDATE", "DELETE")):
            statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield statements
