import { expect, test } from 'vitest';
import { netrcEntry } from '../../../src/upstream/http/netrc.ts';

test.each([
  ['on one line', 'machine h login me password pw'],
  ['on several lines', 'machine h\n\tlogin me\r\n\tpassword pw\n'],
  ['in another order', 'machine h password pw login me'],
  ['with an account', 'machine h login me account acc password pw'],
  ['in another case', 'machine H login me password pw'],
  ['quoted', 'machine h login "me" password "pw"'],
  ['after another one', 'machine g login you password no machine h login me password pw'],
  ['before another one', 'machine h login me password pw\nmachine h login you password no'],
  ['before the default', 'default login you password no machine h login me password pw'],
  ['as the default', 'machine g login you password no\ndefault login me password pw'],
  ['after a comment', '# machine h login you password no\nmachine h login me password pw'],
  ['before a comment', 'machine h login me # password no\n password pw'],
  ['after a macro', 'macdef m\nmachine h login you password no\n\nmachine h login me password pw'],
  ['after words without meaning', 'password no hello machine h login me password pw'],
])('an entry %s', (_, text) => {
  expect(netrcEntry(text, 'h')).toMatchObject({ login: 'me', password: 'pw' });
});

test.each([
  ['nothing', '', undefined],
  ['other hosts', 'machine hh login me password pw', undefined],
  ['a cut entry', 'machine h login', { login: '', password: '' }],
  [
    'a password with odd characters',
    'machine h login me password "a \\"#\\\\ b"',
    { password: 'a "#\\ b' },
  ],
  [
    'a password like a keyword',
    'machine h login machine password default',
    { login: 'machine', password: 'default' },
  ],
])('%s', (_, text, expected) => {
  const entry = netrcEntry(text, 'h');
  if (expected === undefined) expect(entry).toBeUndefined();
  else expect(entry).toMatchObject(expected);
});

test('the entry of a login', () => {
  const text = 'machine h login a password 1 machine h login b password 2';
  expect(netrcEntry(text, 'h', 'b')).toMatchObject({ password: '2' });
  expect(netrcEntry(text, 'h', 'c')).toBeUndefined();
});
