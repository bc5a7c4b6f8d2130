// What a web page may do with obidos, proved with a real browser: a page of somebody else's drives nothing, whatever it
// tries; a page on localhost works with the AWS SDK.
//
//   node browser.mjs CHROMIUM
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const chromium = process.argv[2];
const endpoint = process.env.AWS_ENDPOINT_URL;
const here = new URL(".", import.meta.url).pathname;

const bundle = (await build({ entryPoints: [join(here, "local.mjs")], bundle: true, format: "esm", platform: "browser", write: false, logLevel: "error" })).outputFiles[0].text;
const foreign = await readFile(join(here, "foreign.html"), "utf8");

// serve answers a page and waits for what it reports.
const serve = async (port, page) => {
  let told;
  const report = new Promise((resolve) => { told = resolve; });
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    if (url.pathname === "/report") {
      let text = "";
      request.on("data", (part) => { text += part; });
      request.on("end", () => { response.end(); told(JSON.parse(text)); });
    } else if (url.pathname === "/redirect") {
      response.writeHead(302, { location: url.searchParams.get("to") }).end();
    } else if (url.pathname === "/page.js") {
      response.writeHead(200, { "content-type": "text/javascript" }).end(bundle);
    } else {
      response.writeHead(200, { "content-type": "text/html" }).end(page);
    }
  });
  await new Promise((resolve, reject) => {
    server.once("error", (e) => (e.code === "EADDRINUSE" && port !== 0 ? server.listen(0, resolve) : reject(e)));
    server.listen(port, resolve);
  });
  return { report, port: server.address().port, close: () => server.close() };
};

// visit opens a page in a browser of its own, until it has reported.
const visit = async (site, url) => {
  const profile = await mkdtemp(join(tmpdir(), "obidos-chromium-"));
  const browser = spawn(chromium, [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", `--user-data-dir=${profile}`,
    "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebind.example 127.0.0.1", url,
  ], { stdio: ["ignore", "ignore", "pipe"] });
  let complaints = "";
  browser.stderr.on("data", (part) => { complaints += part; });
  const ended = new Promise((resolve) => { browser.once("exit", resolve); });
  let timer;
  try {
    return await Promise.race([
      site.report,
      ended.then((code) => assert.fail(`the browser ended with ${code}:\n${complaints}`)),
      new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`the page did not report within 2 minutes:\n${complaints}`)), 120_000); }),
    ]);
  } finally {
    clearTimeout(timer);
    browser.kill("SIGKILL");
    await ended;
    site.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
};

const call = async (operation, input) => {
  const response = await fetch(endpoint, {
    method: "POST", headers: { "x-amz-target": `AmazonSQS.${operation}`, "content-type": "application/x-amz-json-1.0" }, body: JSON.stringify(input),
  });
  assert.equal(response.status, 200, await response.clone().text());
  return response.json();
};

await call("CreateQueue", { QueueName: "precious" });

const evil = await serve(0, foreign);
const tried = await visit(evil, `http://evil.example:${evil.port}/?endpoint=${encodeURIComponent(endpoint)}`);
const { QueueUrls } = await call("ListQueues", {});
assert.deepEqual(QueueUrls.map((url) => url.split("/").pop()), ["precious"], `the foreign page did something: ${JSON.stringify(tried)}`);
for (const name of ["evil-fetch", "evil-get", "evil-json", "evil-read"]) {
  assert.match(String(tried[name]), /TypeError|403/, `${name} was answered ${tried[name]}`);
}
console.log(`a page of evil.example tried ${Object.keys(tried).length} ways and did nothing:`, tried);

const local = await serve(3000, `<!doctype html><script type="module" src="/page.js"></script>`);
const done = await visit(local, `http://localhost:${local.port}/?endpoint=${encodeURIComponent(endpoint)}`);
assert.equal(done.error, undefined);
assert.equal(done.received, "hello from a page");
assert.equal(done.refusal, "QueueDoesNotExist");
assert.match(done.requestId ?? "", /^[0-9a-f-]{36}$/);
console.log(`a page of localhost:${local.port} made a queue, sent and received:`, done);
