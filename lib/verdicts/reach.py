"""Which cells of a notebook a change in some of them can reach, by the names in their code.

A statement is reached if it reads a name that a reached one has set, or an object that one has
changed by assignment or by a call whose value it drops (``rows.append(x)``); setting the name anew
ends it.  What a function does to its arguments is not seen.
"""

import ast
import symtable

from verdicts import notebook


def last_reached(sources, changed):
    """The index of the last cell with a statement that is changed, or reached from one.

    ``changed`` are pairs (index of a cell, line in it, from 1).  The last of all cells if the code
    cannot be read.
    """
    try:
        statements = [(number, _Statement(node)) for number, source in enumerate(sources)
                      for node in ast.parse(notebook.without_magics(source)).body]
    except SyntaxError:
        return len(sources) - 1
    imported = set().union(*(s.imported for _, s in statements))
    last, tainted = max(number for number, _ in changed), set()
    for number, statement in statements:
        here = any(n == number and line in statement.lines for n, line in changed)
        if here or statement.read & tainted:
            last = max(last, number)
            tainted |= (statement.set | statement.touched) - imported
        else:
            tainted -= statement.set
        # A function sees what its globals are when it is called.
        grown = True
        while grown:
            new = {name for _, s in statements for name, inside in s.functions if inside & tainted}
            grown = not new <= tainted
            tainted |= new
    return last


class _Statement:
    """Names by what a statement does with them: ``read`` before they are ``set`` in it, ``touched``
    as objects, ``imported``; ``functions`` are pairs (name, globals that it reads)."""

    def __init__(self, node):
        self.lines = range(node.lineno, node.end_lineno + 1)
        self.read, self.set, self.touched, self.imported = set(), set(), set(), set()
        self.functions = []
        self._visit([node])
        for part in ast.walk(node):
            self._object(part)

    def _visit(self, statements):
        for node in statements:
            if isinstance(node, ast.For):
                self._simple(ast.Expr(node.iter))
                self._set(node.target)
                self._visit(node.body + node.orelse)
            elif isinstance(node, (ast.If, ast.While)):
                self._simple(ast.Expr(node.test))
                self._visit(node.body + node.orelse)
            elif isinstance(node, ast.With):
                for item in node.items:
                    self._simple(ast.Expr(item.context_expr))
                    if item.optional_vars:
                        self._set(item.optional_vars)
                self._visit(node.body)
            else:
                self._simple(node)

    def _set(self, target):
        self.set |= {n.id for n in ast.walk(target)
                     if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}

    def _simple(self, node):
        """A statement without statements of its own, but for functions and classes."""
        table = symtable.symtable(ast.unparse(node), "cell", "exec")
        inside = set().union(*map(_globals, table.get_children()))
        symbols = table.get_symbols()
        self.read |= (inside | {s.get_name() for s in symbols if s.is_referenced()}) - self.set
        names = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported()}
        self.functions += [(name, inside) for name in names if inside]
        self.set |= names
        self.imported |= {s.get_name() for s in symbols if s.is_imported()}

    def _object(self, node):
        changed = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            changed.append(node.value)  # nobody wants its value
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            changed.append(node.value)
        for part in changed:
            while isinstance(part, (ast.Attribute, ast.Subscript, ast.Call)):
                part = part.func if isinstance(part, ast.Call) else part.value
            if isinstance(part, ast.Name):
                self.touched.add(part.id)


def _globals(table):
    """The global names that a function, or a function in it, refers to."""
    return {s.get_name() for s in table.get_symbols() if s.is_global()}.union(
        *map(_globals, table.get_children()))
