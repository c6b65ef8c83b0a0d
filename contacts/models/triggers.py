"""Triggers that nobody can ask to stand aside, and references checked once for all rows of a statement.

The usual triggers look up, for every row, whether `pgtrigger.ignore` names them. A foreign key asks the
database about every row by itself: two fifths of its work when people and their consent are copied in.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

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


class ByKeySql(AlwaysSql):
    """Finds rows by their keys only: its plans outlive the time when the tables were small."""

    def get_template(self) -> str:
        return (
            super()
            .get_template()
            .replace("$$ LANGUAGE plpgsql;", "$$ LANGUAGE plpgsql SET enable_seqscan = off;")
        )


class Always(pgtrigger.Trigger):
    """A trigger that runs whenever its condition holds."""

    sql: ClassVar[type[AlwaysSql]] = AlwaysSql

    def compile(self, model: Model) -> compiler.Trigger:
        usual = super().compile(model)
        arguments: dict[str, Any] = usual.sql.kwargs
        return compiler.Trigger(name=self.name, sql=self.sql(**arguments))


class ByKey(Always):
    """The same, and what it looks up it finds by an index."""

    sql = ByKeySql


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that names a row of a table which is never deleted from, nor given other keys.

    `when` narrows the rows it may name down to those that stay; `is_one_of_few` says that many rows
    name the same one.
    """

    column: str
    table: str
    key: str = "id"
    when: str = ""
    is_one_of_few: bool = False

    def is_lost(self) -> str:
        """A condition in SQL: a row of `fresh` names nothing.

        Of a table that was analyzed while its first rows were being written the planner believes that it
        is empty, and takes any index that holds the key, to read it whole for each row. Asked for keys in
        order, which costs more, it has to take their own.
        """
        key = f"named.{self.key}"
        named = f"fresh.{self.column}"
        return f"""(CASE WHEN (SELECT reltuples FROM pg_class WHERE oid = '{self.table}'::regclass) = 0
            THEN {self._is_lost(f"{key} >= {named} AND {key} <= {named}", f"ORDER BY {key}")}
            ELSE {self._is_lost(f"{key} = {named}")} END)"""

    def _is_lost(self, condition: str, order: str = "") -> str:
        rows = (
            f"(SELECT DISTINCT {self.column} FROM fresh) fresh" if self.is_one_of_few else "fresh"
        )
        narrowed = f"AND {self.when}" if self.when else ""
        # A scalar subquery is looked up row by row, whatever the planner believes of the tables' sizes.
        return (
            f"EXISTS (SELECT FROM {rows} WHERE fresh.{self.column} IS NOT NULL AND (SELECT named.{self.key}"
            f" FROM {self.table} named WHERE {condition} {narrowed} {order}) IS NULL)"
        )


def names(
    *references: Reference, on: tuple[pgtrigger.Operation, ...] = (pgtrigger.Insert,)
) -> list[pgtrigger.Trigger]:
    """Refuses rows that name what is not there, for all rows of a statement at once.

    With `never_deleted` on the other side this is all that a foreign key would hold.
    """
    checks = "\n".join(
        f"""
    IF {reference.is_lost()} THEN
        RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || '.{reference.column} names nothing';
    END IF;"""
        for reference in references
    )
    return [
        ByKey(
            name=f"names_what_is_there_{str(operation).lower()}",
            when=pgtrigger.After,
            operation=operation,
            level=pgtrigger.Statement,
            referencing=pgtrigger.Referencing(new="fresh"),
            func=f"{checks}\n    RETURN NULL;\n",
        )
        for operation in on
    ]


def stays_with(column: str) -> pgtrigger.Trigger:
    """A row never comes to name another one in this column."""
    return Always(
        name=f"stays_with_its_{column.removesuffix('_id')}",
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf(column),
        condition=pgtrigger.Condition(f'OLD."{column}" IS DISTINCT FROM NEW."{column}"'),
        func=f"RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || '.{column} never changes';",
    )


def never_deleted(key: str = "id") -> list[pgtrigger.Trigger]:
    """Rows that others name without a foreign key stay, under the key that names them."""
    return [
        Always(
            name="never_deleted",
            when=pgtrigger.Before,
            operation=pgtrigger.Delete,
            func="RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || ' never loses a row';",
        ),
        pgtrigger.Trigger(
            name="never_emptied",
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            func="RAISE foreign_key_violation USING MESSAGE = TG_TABLE_NAME || ' is never emptied';",
        ),
        stays_with(key),
    ]
