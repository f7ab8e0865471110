import { beforeAll, describe, expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import type { Node } from '../../src/castore/node.ts';
import { lookup } from '../../src/render/lookup.ts';
import { directory, file, symlink } from '../support/syntheticTree.ts';
import { memoryServices, putTree } from './castoreTree.ts';

const services = memoryServices();
const { directoryService } = services;
let root: Node;

beforeAll(async () => {
  root = await putTree(
    services,
    directory([
      ['bin', directory({ hello: file('12345') })],
      ['lib', symlink('bin')],
      [Uint8Array.of(0xff), file('1')],
    ]),
  );
});

describe('lookup', () => {
  test.each([
    ['the root', '', { type: 'directory', size: 4 }],
    ['the root as slashes', '//', { type: 'directory', size: 4 }],
    ['the root as a dot', '.', { type: 'directory', size: 4 }],
    ['a directory', 'bin', { type: 'directory', size: 1 }],
    ['a file', 'bin/hello', { type: 'file', size: 5 }],
    ['slashes before, between and after', '/bin//./hello/', { type: 'file', size: 5 }],
    ['a symlink, not followed', 'lib', { type: 'symlink', target: Buffer.from('bin') }],
    ['bytes that are not UTF-8', Uint8Array.of(0xff), { type: 'file', size: 1 }],
  ])('%s', async (_, path, expected) => {
    const bytes = typeof path === 'string' ? utf8(path) : path;
    const { type, ...found } = await lookup(root, bytes, directoryService);
    expect({ type, ...found }).toMatchObject(
      'target' in expected ? { type: expected.type } : expected,
    );
  });

  test.each([
    ['a name that is not there', 'bin/bye', 'FILE_NOT_FOUND', { missing: '/bin/bye' }],
    ['below a name that is not there', 'sbin/x/y', 'FILE_NOT_FOUND', { missing: '/sbin' }],
    ['the directory above', 'bin/../bin', 'FILE_NOT_FOUND', { missing: '/bin/..' }],
    ['below a file', 'bin/hello/x', 'NOT_A_DIRECTORY', { at: '/bin/hello', actual: 'file' }],
    ['below a symlink', 'lib/hello', 'NOT_A_DIRECTORY', { at: '/lib', target: 'bin' }],
  ])('%s', async (_, path, code, facts) => {
    await expect(lookup(root, utf8(path), directoryService)).rejects.toMatchObject({
      code,
      facts: { path, ...facts },
    });
  });
});
