/** What a TypeScript module imports, and which parts of its surroundings it uses. */
import { type Node, parseSync, Visitor } from 'oxc-parser';

/** A source file: its path relative to src, with slashes, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Something in a source, with its line (from 1). */
export interface Finding {
  readonly name: string;
  readonly line: number;
}

/** What matters about a module here. */
export interface ModuleFacts {
  /** Specifiers of every form of import, types included, and workers' scripts. */
  readonly imports: readonly Finding[];
  /** Uses of clock, environment, network and console without an import, such as `Date.now`. */
  readonly ambient: readonly Finding[];
}

/** A specifier that is computed and so cannot be checked. */
export const COMPUTED = '(computed)';

/** Globals that stand for the world outside, by whichever of their members. */
const WORLDLY_GLOBALS: ReadonlySet<string> = new Set(['process', 'console', 'performance']);

/**
 * Parses a module.
 * @throws Error where it is not TypeScript
 */
export function readModuleFacts(file: SourceFile): ModuleFacts {
  const { program, errors } = parseSync(file.path, file.text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${file.path}: ${error.message}`);

  const imports: Finding[] = [];
  const ambient: Finding[] = [];
  const finding = (name: string, node: Node): Finding => ({
    name,
    line: file.text.slice(0, node.start).split('\n').length,
  });
  const addImport = (source: Node) => imports.push(finding(literalText(source), source));
  const addAmbient = (name: string, node: Node) => ambient.push(finding(name, node));

  new Visitor({
    ImportDeclaration: ({ source }) => addImport(source),
    ExportAllDeclaration: ({ source }) => addImport(source),
    ExportNamedDeclaration: ({ source }) => source !== null && addImport(source),
    ImportExpression: ({ source }) => addImport(source),
    TSImportType: ({ source }) => addImport(source),
    TSExternalModuleReference: ({ expression }) => addImport(expression),
    MemberExpression: (node) => {
      const object = nameOf(node.object);
      if (WORLDLY_GLOBALS.has(object)) addAmbient(object, node);
      if (object === 'Date' && nameOf(node.property) === 'now') addAmbient('Date.now', node);
    },
    VariableDeclarator: ({ init }) => {
      if (init !== null && WORLDLY_GLOBALS.has(nameOf(init))) addAmbient(nameOf(init), init);
    },
    CallExpression: (node) => {
      const callee = nameOf(node.callee);
      if (callee === 'fetch') addAmbient('fetch', node);
      if (callee === 'require' && node.arguments[0] !== undefined) addImport(node.arguments[0]);
    },
    NewExpression: (node) => {
      const [first, second] = node.arguments;
      if (nameOf(node.callee) === 'Date' && first === undefined) addAmbient('new Date()', node);
      if (nameOf(node.callee) === 'URL' && first !== undefined && second !== undefined) {
        const base = file.text.slice(second.start, second.end);
        // a worker's script; of anything else only the place is asked
        if (base === 'import.meta.url' && literalText(first).endsWith('.ts')) addImport(first);
      }
    },
  }).visit(program);
  return { imports, ambient };
}

/** The name of an identifier, of anything else the empty string. */
function nameOf(node: Node): string {
  return node.type === 'Identifier' ? node.name : '';
}

/** The text of a string literal; anything else is computed. */
function literalText(node: Node): string {
  return node.type === 'Literal' && typeof node.value === 'string' ? node.value : COMPUTED;
}
