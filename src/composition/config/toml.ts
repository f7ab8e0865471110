/** TOML 1.0 (https://toml.io/en/v1.0.0) as a {@link ConfigTable}. */
import { type AST, ParseError, parseTOML } from 'toml-eslint-parser';
import type { ConfigTable, ConfigValue } from './configTable.ts';
import { Faults, type Place } from './place.ts';

type Name = AST.TOMLBare | AST.TOMLQuoted;

/** Of a file. */
const BEGINNING: Place = { key: '', line: 1, column: 1 };

/**
 * Reads a file's text.
 * @param file its name, for errors
 * @throws CONFIG_INVALID it is no TOML
 */
export function parseToml(text: string, file: string): ConfigTable {
  const faults = new Faults(file);
  try {
    return tableOf(parseTOML(text, { tomlVersion: '1.0.0' }));
  } catch (error) {
    if (error instanceof ParseError) {
      const { message, lineNumber: line, column } = error;
      faults.add({ key: '', line, column: column + 1 }, message);
    } else if (error instanceof RangeError) {
      // parser and we go down with what is written, and there is an end to that
      faults.add(BEGINNING, 'lists or tables are nested too deeply');
    }
    faults.throwIfAny();
    throw error;
  }
}

function tableOf(program: AST.TOMLProgram): ConfigTable {
  const root = newTable(BEGINNING);
  for (const part of program.body[0].body) {
    if (part.type === 'TOMLKeyValue') addKeyValue(root, part);
    else if (part.kind === 'standard') addTable(root, part);
    else addTableOfList(root, part);
  }
  return root;
}

/** `[a.b]` and what follows it. */
function addTable(root: ConfigTable, { key, body }: AST.TOMLTable): void {
  const table = tableAt(root, key.keys);
  if (table === undefined) return;
  for (const line of body) addKeyValue(table, line);
}

/** `[[a]]`, which nothing here takes. */
function addTableOfList(root: ConfigTable, { key }: AST.TOMLTable): void {
  const { parent, name, place } = lastOf(root, key.keys);
  parent?.entries.set(name, {
    keyPlace: place,
    value: { kind: 'other', shown: 'a list of tables', place },
  });
}

function addKeyValue(table: ConfigTable, { key, value }: AST.TOMLKeyValue): void {
  const { parent, name, place } = lastOf(table, key.keys);
  parent?.entries.set(name, { keyPlace: place, value: valueIn(value, place.key) });
}

/** What the last of several names is, and the table that it stands in. */
function lastOf(
  table: ConfigTable,
  names: readonly Name[],
): { parent: ConfigTable | undefined; name: string; place: Place } {
  const last = names.at(-1);
  if (last === undefined) throw new TypeError('a key has a name');
  const parent = tableAt(table, names.slice(0, -1));
  const name = nameOf(last);
  return { parent, name, place: placeOf(last, below(parent ?? table, name)) };
}

/** The table by these names, made where there is none; `undefined` where there is something else. */
function tableAt(table: ConfigTable, names: readonly Name[]): ConfigTable | undefined {
  let at = table;
  for (const part of names) {
    const name = nameOf(part);
    const known = at.entries.get(name)?.value;
    if (known?.kind === 'table') {
      at = known.table;
      continue;
    }
    // a list of tables: it is a fault already
    if (known !== undefined) return undefined;
    const place = placeOf(part, below(at, name));
    const made = newTable(place);
    at.entries.set(name, { keyPlace: place, value: { kind: 'table', table: made, place } });
    at = made;
  }
  return at;
}

function valueIn(node: AST.TOMLContentNode, key: string): ConfigValue {
  const place = placeOf(node, key);
  if (node.type === 'TOMLArray') {
    return { kind: 'list', items: node.elements.map((item) => valueIn(item, key)), place };
  }
  if (node.type === 'TOMLInlineTable') {
    const table = newTable(place);
    for (const part of node.body) addKeyValue(table, part);
    return { kind: 'table', table, place };
  }
  switch (node.kind) {
    case 'string':
      return { kind: 'text', text: node.value, place };
    case 'integer':
      return { kind: 'integer', integer: node.value, place };
    case 'boolean':
      return { kind: 'flag', flag: node.value, place };
    case 'float':
      return { kind: 'other', shown: 'a fraction', place };
    default:
      return { kind: 'other', shown: 'a date or time', place };
  }
}

function newTable(place: Place): ConfigTable {
  return { place, entries: new Map() };
}

function nameOf(name: Name): string {
  return name.type === 'TOMLBare' ? name.name : name.value;
}

function below({ place }: ConfigTable, name: string): string {
  return place.key === '' ? name : `${place.key}.${name}`;
}

function placeOf({ loc }: AST.TOMLNode, key: string): Place {
  const { line, column } = loc.start;
  return { key, line, column: column + 1 };
}
