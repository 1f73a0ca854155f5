// Bergamot in WebAssembly for students.py: a line of JSON with texts in, one with translations out.
//
//     node bergamot.mjs PACKAGE FOLDER WORKERS
//
// PACKAGE is the installed @browsermt/bergamot-translator, FOLDER has the student's files. Texts
// come sorted; batches of 32 go to whichever worker is free.

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';

const [folder, model, workers] = process.argv.slice(2);
const BATCH = 32;
const languages = { from: 'source', to: 'target' };

// Its package says module, its worker is none.
const kind = join(folder, 'worker', 'package.json');
if (!existsSync(kind)) writeFileSync(kind, '{ "type": "commonjs" }\n');

const read = (begin, end) => {
  const name = readdirSync(model).find((file) => file.startsWith(begin) && file.endsWith(end));
  return new Uint8Array(readFileSync(join(model, name))).buffer;
};

const start = async () => {
  const worker = new Worker(join(folder, 'worker', 'translator-worker.js'));
  worker.on('error', (error) => { throw error; });
  const call = (name, ...args) => new Promise((accept, reject) => {
    worker.once('message', ({ result, error }) => (error ? reject(error) : accept(result)));
    worker.postMessage({ id: 1, name, args });
  });
  await call('initialize', { cacheSize: 0 });
  const buffers = {
    model: read('model', '.bin'), shortlist: read('lex', '.bin'), vocabs: [read('vocab', '.spm')],
  };
  await call('loadTranslationModel', languages, buffers);
  return (texts) => call('translate', {
    models: [languages], texts: texts.map((text) => ({ text, html: false })),
  });
};

const translators = await Promise.all(Array.from({ length: Number(workers) }, start));
console.log('[]');
for await (const line of createInterface({ input: process.stdin })) {
  const texts = JSON.parse(line);
  const answers = [];
  let next = 0;
  await Promise.all(translators.map(async (translate) => {
    while (next < texts.length) {
      const begin = next;
      next += BATCH;
      const found = await translate(texts.slice(begin, begin + BATCH));
      found.forEach(({ target }, i) => { answers[begin + i] = target.text; });
    }
  }));
  console.log(JSON.stringify(answers));
}
process.exit(0);
