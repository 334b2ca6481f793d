"""The paper's section beside each value of a recipe or form: the comments of its file.

recipe.py and forms.py say where each value is from in the comment beside it. Here those
comments are read as data, so that nothing need be written twice: a variant's value is
followed through `dataclasses.replace`, names and functions to the keyword that gives it.
"""

import ast
import functools
import io
import pathlib
import tokenize


def read_sources(path: pathlib.Path, table: str, variant: str) -> dict[str, str]:
    """Field -> what the comments beside its value say, for a value of a dict of variants.

    A part's own comment begins with its name: "patience: ours". Fields without a comment
    are left out.

    Args:
        path: A file of a paper, such as recipe.py.
        table: The dict's name in it: RECIPES or FORMS.
    """
    file = _File(path)
    found = {}
    for name, node in file.fields(file.find(table, variant)).items():
        if texts := file.comments_of(node):
            found[name] = "; ".join(dict.fromkeys(texts))
    return found


@functools.cache
def _read(path: pathlib.Path) -> tuple[ast.Module, dict[int, str]]:
    """(the file's tree, line of code -> comment beside it or in the lines just above)."""
    text = path.read_text()
    beside, waiting = {}, []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        line = token.start[0]
        if token.type == tokenize.COMMENT:
            words = token.string.lstrip("# ").rstrip()
            if token.line.lstrip().startswith("#"):
                waiting.append(words)
            else:
                beside[line] = [*beside.get(line, []), words]
        elif token.type == tokenize.NL and not token.line.strip():
            waiting = []  # a blank line: it was about no line of code
        elif waiting and token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
            beside[line], waiting = [" ".join(waiting)], []
    return ast.parse(text), {line: "; ".join(words) for line, words in beside.items()}


class _File:
    """A file's names, and the comments of its lines."""

    def __init__(self, path: pathlib.Path):
        tree, self.comments = _read(path)
        self.names: dict[str, ast.AST] = {}
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.names[node.targets[0].id] = node.value
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.names[node.name] = node

    def find(self, table: str, variant: str) -> ast.AST | None:
        """The expression of a variant's value."""
        match self.names.get(table):
            case ast.Dict(keys, values):
                named = {getattr(k, "value", k): v for k, v in zip(keys, values, strict=True)}
                unpacked = [
                    getattr(v, "value", None)
                    for k, v in zip(keys, values, strict=True)
                    if k is None
                ]
                return named.get(variant, *unpacked[:1])  # or of {one: VALUE for one in ...}
            case ast.Call(func=ast.Attribute(attr="fromkeys"), args=[_, value]):
                return value
            case ast.DictComp(value=value):
                return value
        return None

    def fields(self, node: ast.AST | None) -> dict[str, ast.AST]:
        """Field -> the keyword that gives its value, of the dataclass that `node` makes."""
        match node:
            case ast.Name(id):
                return self.fields(self.names.get(id))
            case ast.ClassDef(body=body):
                lines = [one for one in body if isinstance(one, ast.AnnAssign)]
                return {one.target.id: one for one in lines if one.value}
            case ast.FunctionDef(body=[*_, ast.Return(value)]):
                return self.fields(value)
            case ast.Call(func, args, keywords):  # of what is given, as replace(BASE) is, first
                given = [self.fields(part) for part in (*args, func)]
                return functools.reduce(dict.__or__, given) | {one.arg: one for one in keywords}
        return {}

    def comments_of(self, node: ast.AST, seen: tuple[str, ...] = ()) -> list[str]:
        """Those in the node's lines, a part's with its name, and of the names in it."""
        parts = [(_name(part), part) for part in ast.walk(node) if part is not node]
        parts = [(name, part) for name, part in parts if name]
        found = []
        for line in range(node.lineno, node.end_lineno + 1):
            if line in self.comments:
                here = {name for name, part in parts if part.lineno <= line <= part.end_lineno}
                first = {name for name, part in parts if part.lineno == line}
                names = first or here
                label = f"{names.pop()}: " if len(names) == 1 and line > node.lineno else ""
                found.append(label + self.comments[line])
        fields_of = {id(p.value): p.attr for p in ast.walk(node) if isinstance(p, ast.Attribute)}
        for part in ast.walk(node):
            if not isinstance(part, ast.Name) or part.id in seen:
                continue
            value = self.names.get(part.id)
            if field := fields_of.get(id(part)):  # DEEP.optimizer: of it no more than that
                value = self.fields(value).get(field)
            if value and not isinstance(value, ast.ClassDef | ast.FunctionDef):
                found += self.comments_of(value, (*seen, part.id))
        return found


def _name(node: ast.AST) -> str | None:
    """Of a keyword its own, of a part that is made the class's."""
    match node:
        case ast.keyword(arg=name):
            return name
        case ast.Call(func=ast.Name(id)):
            return id
    return None
