/**
 * NAR URLs that name their content: `nar/snix-castore/<Entry>?narsize=<n>`, the root node with an empty name
 * as urlsafe base64 without padding. Whoever has the castore content can render the NAR from the URL
 * alone. Source: snix `nar-bridge/src/nar.rs`.
 */
import { EMPTY } from '../bytes.ts';
import { isNarthexError } from '../errors.ts';
import { decodeEntry, encodeEntry } from './directory.ts';
import type { Node } from './node.ts';

const PREFIX = 'nar/snix-castore/';
/** An entry is some 50 bytes; that of a symlink may have some 4,100. */
const PATH = /(?:^|\/)nar\/snix-castore\/(?<entry>[A-Za-z0-9_-]{1,5600})$/;
const SIZE = /^(?:0|[1-9][0-9]{0,15})$/;

/** What such a URL says. */
export interface InfusedNar {
  readonly node: Node;
  /** In bytes; `undefined` where the query does not tell. */
  readonly narSize: number | undefined;
}

/** The URL of a node's NAR, relative to the cache. */
export function infusedNarUrl(node: Node, narSizeBytes: number): string {
  const entry = Buffer.from(encodeEntry(EMPTY, node)).toString('base64url');
  return `${PREFIX}${entry}?narsize=${narSizeBytes}`;
}

/**
 * Reads a path, relative or absolute, and its query.
 * @returns `undefined` where it is none, or spelt in another than the one way
 */
export function parseInfusedNar(path: string, query: URLSearchParams): InfusedNar | undefined {
  const text = PATH.exec(path)?.groups?.['entry'];
  const node = text === undefined ? undefined : nodeOf(text);
  if (node === undefined) return undefined;
  const size = query.get('narsize');
  return { node, narSize: size !== null && SIZE.test(size) ? Number(size) : undefined };
}

/** The same for the `URL:` of a narinfo. */
export function parseInfusedNarUrl(url: string): InfusedNar | undefined {
  const question = url.indexOf('?');
  if (question === -1) return parseInfusedNar(url, new URLSearchParams());
  return parseInfusedNar(url.slice(0, question), new URLSearchParams(url.slice(question + 1)));
}

function nodeOf(text: string): Node | undefined {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) return undefined;
  try {
    const { name, node } = decodeEntry(bytes);
    return name.length === 0 ? node : undefined;
  } catch (error) {
    if (isNarthexError(error)) return undefined;
    throw error;
  }
}
