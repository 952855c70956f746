// Walks through the pages of a binary cache with Chromium, by clicks where a person would click. Prints a line for each check.
//   node session.mjs URL MANIFEST FOLDER-FOR-SCREENSHOTS
import { readFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.BROWSER_MODULES, 'x.js'));
const { chromium } = require('playwright-core');
const [url, manifest, shots] = process.argv.slice(2);
const files = JSON.parse(await readFile(manifest, 'utf8')).map(f => ({ name: Buffer.from(f.name, 'hex'), contents: Buffer.from(f.contents, 'hex') }));
await mkdir(shots, { recursive: true });

let failed = 0;
function check(name, isRight, detail = '') {
  console.log(isRight ? `ok      ${name}` : `FAILED  ${name} ${detail}`);
  if (!isRight) failed++;
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

// What must never happen on any page, whatever is in the store.
const trouble = [];
async function open(options) {
  const context = await browser.newContext({ acceptDownloads: true, ...options });
  context.setDefaultTimeout(15000);
  const page = await context.newPage();
  page.on('dialog', dialog => { trouble.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('pageerror', error => trouble.push(`script: ${error.message}`));
  page.on('console', message => { if (!expected(message)) trouble.push(`console at ${page.url()}: ${message.text()}`); });
  page.on('request', request => { if (!request.url().startsWith(url)) trouble.push(`a request to ${request.url()}`); });
  return page;
}
let notFound = false;
const expected = message => notFound && message.text().includes('404');

async function fits(page, name) {
  const wide = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  check(`${name}: nothing to scroll sideways`, wide[0] <= wide[1], wide.join(' > '));
}
async function sound(page, name) {
  const problems = await page.evaluate(() => {
    const found = [];
    if (document.documentElement.lang !== 'en') found.push('no language');
    if (!document.title) found.push('no title');
    if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
    if (document.querySelectorAll('main').length !== 1) found.push('not one main');
    if (document.scripts.length > 0) found.push('a script');
    if (document.compatMode !== 'CSS1Compat') found.push('quirks');
    for (const input of document.querySelectorAll('input')) if (!input.labels?.length) found.push('an input without a label');
    for (const cell of document.querySelectorAll('th')) if (!cell.scope) found.push('a th without a scope');
    for (const nav of document.querySelectorAll('nav')) if (!nav.getAttribute('aria-label')) found.push('a nav without a label');
    for (const link of document.querySelectorAll('a')) if (!link.textContent.trim() && !link.closest('th')) found.push(`a link without text: ${link.outerHTML}`);
    const levels = [...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1]);
    if (levels.some((level, i) => level > (levels[i - 1] ?? 0) + 1)) found.push('a heading is left out');
    for (const e of document.querySelectorAll('[id]')) if (document.querySelectorAll(`[id="${e.id}"]`).length > 1) found.push(`id ${e.id} twice`);
    return found;
  });
  check(`${name}: sound`, problems.length === 0, problems.join('; '));
}
const shot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`), fullPage: false });
const row = (page, name) => page.locator('tbody th').filter({ has: page.getByText(name, { exact: true }) }).getByRole('link');
async function downloaded(page, link) {
  const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
  return { bytes: await readFile(await download.path()), name: download.suggestedFilename() };
}

const page = await open({ viewport: { width: 1280, height: 860 } });
await page.goto(url);
check('the list has the store paths', (await page.locator('tbody tr').count()) === 100 && (await page.textContent('h1')) === 'Store paths');
await sound(page, 'list');
await fits(page, 'list');
await shot(page, 'list');
await page.getByRole('link', { name: 'Next' }).first().click();
const second = await page.locator('tbody tr').count();
check('the second page has the others', second > 0 && second < 100, String(second));
await page.getByRole('link', { name: 'Previous' }).first().click();
check('and back', (await page.locator('tbody tr').count()) === 100);

await page.keyboard.press('Tab');
check('the first stop of the keyboard is the link to the contents', (await page.evaluate(() => document.activeElement.textContent)) === 'Skip to the contents');
await page.getByRole('searchbox').fill('no such thing <b>"');
await Promise.all([page.waitForURL(where => where.search.includes('no')), page.keyboard.press('Enter')]);
check('a search without results says so', (await page.textContent('.summary')).includes('No store path'));
check('and shows what was searched for', (await page.textContent('h1')).includes('<b>"') && (await page.getByRole('searchbox').inputValue()) === 'no such thing <b>"');
await page.getByRole('searchbox').fill('strange');
await page.getByRole('button', { name: 'Search' }).click();
check('a search by name finds one', (await page.locator('tbody tr').count()) === 1);
await sound(page, 'search');
await shot(page, 'search');
await page.getByRole('link', { name: 'strange-names-1.0' }).click();

check('its page says what it is', (await page.textContent('h1')) === 'strange-names-1.0' && (await page.textContent('dl')).includes('/nix/store/'));
const place = page.url();
await sound(page, 'store path');
await fits(page, 'store path');
await shot(page, 'store-path');
const hash = place.match(/path\/([0-9a-z]{32})-/)[1];
for (const text of [hash, `${hash}-strange-names-1.0`, `/nix/store/${hash}-strange-names-1.0`]) {
  await page.goto(`${url}?q=${encodeURIComponent(text)}`);
  check(`a search for ${text} goes there`, page.url() === place, page.url());
}
const narInfo = await (await fetch(`${url}${hash}.narinfo`)).text();
const nar = await downloaded(page, page.getByRole('link', { name: 'Download NAR' }));
check('the NAR has the size of the narinfo', nar.bytes.length === +narInfo.match(/NarSize: (\d+)/)[1], `${nar.bytes.length}`);
check('and the name of the store path', nar.name === `${hash}-strange-names-1.0.nar`, nar.name);
const reference = page.locator('.references a');
check('references are links', (await reference.count()) === 1);
await reference.first().click();
check('which lead to their pages', (await page.textContent('h1')).startsWith('path-'));
check('a store path that is a file shows it', (await page.textContent('pre')).startsWith('path '));
await page.goto(place);

await row(page, 'names').click();
const list = page.url();
await sound(page, 'names');
await fits(page, 'names');
await shot(page, 'names');
const shown = await page.locator('tbody th bdi').allTextContents();
check('all names are there', shown.length === files.length + 1, `${shown.length}`);
for (const text of ['<img src=x onerror=alert(1)>', '"><script>alert(2)<\\script>', '&amp;&lt;', 'a\\x0ab\\x0dc', '\\xff\\xfe not utf8', '\\xff', '%ff', 'right to left \\xe2\\x80\\xaegpj.exe']) {
  check(`shown as it is: ${text}`, shown.includes(text));
}
check('escapes do not look like text', (await page.locator('tbody th .escape').count()) > 4);

// Every file, by a click on its name; the folder among them comes at its place in the order.
const folder = shown.indexOf('<b>folder<\\b>');
for (const [i, file] of files.entries()) {
  await page.locator('tbody th a').nth(i < folder ? i : i + 1).click();
  const title = `file ${i + 1}, ${JSON.stringify(file.name.toString('latin1').slice(0, 30))}`;
  const link = page.getByRole('link', { name: 'Download' });
  if (!(await link.count())) {
    check(`${title}: there`, false, page.url());
  } else {
    const { bytes } = await downloaded(page, link);
    check(`${title}: the bytes`, bytes.equals(file.contents), page.url());
  }
  if (file.name.toString() === 'index.html') {
    await shot(page, 'file-html');
    await sound(page, 'file');
    await page.getByRole('link', { name: 'Plain text' }).click();
    check('HTML as plain text is text', (await page.evaluate(() => [document.contentType, document.body.textContent].join())).startsWith('text/plain,<html><script>'));
  }
  await page.goto(list);
}
await row(page, '<b>folder<\\b>').click();
await page.locator('tbody th a').first().click();
check('a file in a folder, neither of them with a harmless name', (await page.textContent('pre')) === 'deep');
await shot(page, 'deep');
const trail = await page.locator('.trail li').allTextContents();
check('the trail says where it is', trail.length === 5 && trail[3] === '<b>folder<\\b>', trail.join('|'));
await page.locator('.trail a').nth(2).click();
check('and leads back', page.url() === list, page.url());

await page.goto(place);
await row(page, 'share').click();
await row(page, 'doc').click();
await row(page, 'README.txt').click();
check('text is shown as it is', (await page.textContent('pre')).includes("世界 <script>alert('text')</script>\n"));
await shot(page, 'text');
await fits(page, 'text');
await page.goBack();
await row(page, 'long.txt').click();
check('of a long one the start', (await page.textContent('pre')).length === 256 << 10 && (await page.textContent('.note')).includes('256 KiB'));
await page.goBack();
await row(page, 'empty').click();
check('an empty one is said to be', (await page.textContent('main')).includes('The file is empty.'));
await page.goto(`${place}/lib/libhello.so.1.0`);
check('what is no text is not shown', (await page.locator('pre').count()) === 0);
await page.goto(`${place}/lib`);
await row(page, 'libhello.so').click();
await page.getByRole('link', { name: 'Go to the target' }).click();
check('a link leads to its target', page.url() === `${place}/lib/libhello.so.1.0`, page.url());

await page.goto(`${place}/many`);
check('a large folder is in pages', (await page.locator('tbody tr').count()) === 500);
await page.getByRole('link', { name: 'Last' }).first().click();
check('to the last entry', (await page.locator('tbody th bdi').last().textContent()) === `entry-${process.env.MANY - 1}`.replace(/-(\d+)$/, (_, n) => '-' + n.padStart(6, '0')));
await shot(page, 'many');

notFound = true;
const missing = await page.goto(`${place}/no/such/thing`);
check('what is not there is a 404 with a page', missing.status() === 404 && (await page.textContent('h1')) === 'Not found');
await sound(page, 'not found');
await page.goto(`${url}path/nonsense`);
await shot(page, 'not-found');
notFound = false;

// 1280 pixels at 400 % are 320.
const narrow = await open({ viewport: { width: 320, height: 640 }, deviceScaleFactor: 4 });
for (const [name, where] of [['list', url], ['search', `${url}?q=${'x'.repeat(200)}`], ['store path', place], ['names', list], ['text', `${place}/share/doc/README.txt`], ['many', `${place}/many?page=2`]]) {
  await narrow.goto(where);
  await fits(narrow, `400 %, ${name}`);
  await shot(narrow, `narrow-${name.replace(' ', '-')}`);
}

const dark = await open({ viewport: { width: 1280, height: 860 }, colorScheme: 'dark' });
for (const [name, where] of [['list', url], ['store path', place], ['names', list], ['text', `${place}/share/doc/README.txt`]]) {
  await dark.goto(where);
  // Contrast as WCAG has it, of each text with the first opaque ground behind it.
  for (const [scheme, view] of [['dark', dark], ['light', page]]) {
    await view.goto(where);
    const low = await view.evaluate(() => {
      const parse = text => text.match(/[\d.]+/g).map(Number);
      const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
      const found = [];
      for (const e of document.querySelectorAll('body *')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || e.closest('.unseen, .skip, [aria-disabled]')) continue;
        let ground = e;
        while (ground && (parse(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) ground = ground.parentElement;
        const [a, b] = [light(parse(getComputedStyle(e).color)), light(parse(getComputedStyle(ground ?? document.body).backgroundColor))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) found.push(`${e.tagName}.${e.className} ${contrast.toFixed(1)}`);
      }
      return [...new Set(found)];
    });
    check(`${scheme}, ${name}: enough contrast`, low.length === 0, low.join('; '));
  }
  await shot(dark, `dark-${name.replace(' ', '-')}`);
}
check('dark is dark', (await dark.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).every(v => v < 60))));

check('nothing was run, blocked or fetched from elsewhere', trouble.length === 0, trouble.join('\n        '));
await browser.close();
process.exit(failed === 0 ? 0 : 1);
