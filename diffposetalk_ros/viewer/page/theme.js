// SPDX-License-Identifier: Apache-2.0
// Colours of the head by part and the buffer, from the page's address.

// Parts that take another part's colour along when only that one is given.
const FOLLOWS = { lids: 'skin', brows: 'hair', lashes: 'hair' };
const BACKGROUND = ['top', 'bottom'];
const OPTIONS = ['kiosk', 'face', 'panel', 'buffer', 'measure', 'token'];

const BUFFER = 80; // ms
const LONGEST = 1000;

const linear = (value) => (value / 255) ** 2.2;
const shown = (value) => 255 * Math.min(1, value) ** (1 / 2.2);

// query: URLSearchParams. Returns { buffer: ms, problem: what is wrong with the number in the address, or '' }.
export function readBuffer(query) {
  const given = query.get('buffer');
  if (given === null) return { buffer: BUFFER, problem: '' };
  const wanted = given.trim() === '' ? NaN : Number(given);
  if (wanted >= 0 && wanted <= LONGEST) return { buffer: wanted, problem: '' };
  const buffer = Number.isNaN(wanted) ? BUFFER : Math.max(0, Math.min(LONGEST, wanted));
  return { buffer, problem: `The address says buffer=${given}. Use 0 to ${LONGEST} (ms); the page takes ${buffer}.` };
}

// query: URLSearchParams; parts: [{ name, colour: [r, g, b] }]. Colours are 0 to 255.
// Returns { colours: name -> [r, g, b], problems: what is wrong with the address, in words }.
export function readTheme(query, parts) {
  const names = [...parts.map((part) => part.name), ...BACKGROUND];
  const colours = {};
  const problems = [];
  for (const [name, value] of query) {
    if (OPTIONS.includes(name)) continue;
    if (!names.includes(name)) {
      problems.push(`The address says ${name}=${value}, but there is no part "${name}". Use ${names.join(', ')}.`);
    } else if (!/^[0-9a-f]{6}$/i.test(value)) {
      problems.push(`The address says ${name}=${value}. Use six hexadecimal digits, for example ${name}=8fb7d9.`);
    } else {
      colours[name] = [0, 2, 4].map((k) => parseInt(value.slice(k, k + 2), 16));
    }
  }
  const own = Object.fromEntries(parts.map((part) => [part.name, part.colour]));
  for (const [name, leader] of Object.entries(FOLLOWS)) {
    if (!own[name] || !own[leader] || colours[name] || !colours[leader]) continue;
    // Lighter or darker than its leader by as much as in the head's own colours.
    const light = (colour) => colour.reduce((sum, value) => sum + linear(value), 0);
    const ratio = light(own[name]) / light(own[leader]);
    colours[name] = colours[leader].map((value) => Math.round(shown(linear(value) * ratio)));
  }
  return { colours, problems };
}
