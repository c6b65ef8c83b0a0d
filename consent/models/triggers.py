"""Triggers that nobody can ask to stand aside.

The usual ones look up, for every row, whether `pgtrigger.ignore` names them: more work than hashing the row.
"""

from typing import Any

import pgtrigger
from django.db.models import Model
from pgtrigger import compiler


class AlwaysSql(compiler.UpsertTriggerSql):
    """Versioned like its base: migrations refer to it, so this template never changes."""

    def get_template(self) -> str:
        return """
            CREATE OR REPLACE FUNCTION {pgid}()
            RETURNS TRIGGER AS $$
                {declare}
                BEGIN
                    {func}
                END;
            $$ LANGUAGE plpgsql;

            DROP TRIGGER IF EXISTS {pgid} ON {table};
            CREATE {constraint} TRIGGER {pgid}
                {when} {operation} ON {table}
                {timing}
                {referencing}
                FOR EACH {level} {condition}
                EXECUTE PROCEDURE {execute};

            COMMENT ON TRIGGER {pgid} ON {table} IS '{hash}';
        """


class Always(pgtrigger.Trigger):
    """A trigger that runs whenever its condition holds."""

    def compile(self, model: Model) -> compiler.Trigger:
        usual = super().compile(model)
        arguments: dict[str, Any] = usual.sql.kwargs
        return compiler.Trigger(name=self.name, sql=AlwaysSql(**arguments))


# Planned anew each time: a plan kept from when the ledger was small would read all of it for every row.
_NAMED = """
    EXECUTE 'SELECT EXISTS (SELECT FROM fresh WHERE NOT EXISTS ('
        || 'SELECT FROM consent_consentevent event WHERE event.id = fresh.event_id))' INTO is_lost;
    IF is_lost THEN
        RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || ' names an event that is not there';
    END IF;
    RETURN NULL;
"""


def names_its_event(*operations: pgtrigger.Operation) -> list[pgtrigger.Trigger]:
    """Refuses rows whose `event_id` is not in the ledger, for all rows of a statement at once.

    Events are never deleted nor renumbered, so this is all that a foreign key would hold, at a sixth of
    its price: an import names each event twice.
    """
    return [
        Always(
            name=f"names_its_event_{str(operation).lower()}",
            when=pgtrigger.After,
            operation=operation,
            level=pgtrigger.Statement,
            referencing=pgtrigger.Referencing(new="fresh"),
            declare=[("is_lost", "boolean")],
            func=_NAMED,
        )
        for operation in operations
    ]
