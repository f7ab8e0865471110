import { expect, test } from 'vitest';
import { utf8 } from '../../src/bytes.ts';
import { MemoryBlobService } from '../../src/castore/memoryBlobService.ts';
import { MemoryDirectoryService } from '../../src/castore/memoryDirectoryService.ts';
import { SymlinkNode } from '../../src/castore/node.ts';
import { hashBytes } from '../../src/hash.ts';
import { DEFAULT_LIMITS } from '../../src/limits.ts';
import { measureNar } from '../../src/render/measureNar.ts';
import { renderNar } from '../../src/render/renderNar.ts';
import { bytesOf } from '../contracts/collect.ts';

const services = {
  blobService: new MemoryBlobService(),
  directoryService: new MemoryDirectoryService(),
};
const node = new SymlinkNode(utf8('target'));

test('a NAR is measured as it is rendered', async () => {
  const nar = await bytesOf(renderNar(node, services));
  const measured = await measureNar(node, services);
  expect(measured.narSize).toBe(nar.length);
  expect(String(measured.narHash)).toBe(String(hashBytes('sha256', nar)));
});

test('and not at all when it is too long', async () => {
  const limits = { ...DEFAULT_LIMITS, narBytes: 10 };
  await expect(measureNar(node, { ...services, limits })).rejects.toMatchObject({
    code: 'LIMIT_EXCEEDED',
  });
});
