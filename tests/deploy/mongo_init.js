// mongo-init.js against a mongod that is made up here: no real one and no mongosh can be had where the tests run. What
// it shows is the order of the steps, what a second run does, and what is said when something is wrong; not MongoDB.
"use strict";
const fs = require("fs");
const os = require("os");
const path = require("path");
const vm = require("vm");

const code = fs.readFileSync(path.join(__dirname, "../../deploy/compose/mongo-init.js"), "utf8");
let passed = 0;
let failed = 0;

function check(what, isTrue, detail) {
  if (isTrue) {
    passed++;
  } else {
    failed++;
    console.log(`FAIL ${what}: ${detail}`);
  }
}

class Mongod {
  constructor() {
    Object.assign(this, { set: null, users: {}, electionTakes: 3, asked: 0, calls: [] });
  }

  hello() {
    const isElected = this.set && ++this.asked > this.electionTakes;
    return { setName: this.set ? "rs0" : undefined, primary: isElected ? "mongo-1:27017" : undefined, isWritablePrimary: isElected };
  }

  // What the loopback exception allows, and no more.
  adminCommand(command) {
    this.calls.push(Object.keys(command)[0]);
    if (command.replSetInitiate && !this.set) {
      this.set = command.replSetInitiate;
      return { ok: 1 };
    }
    if (command.createUser && Object.keys(this.users).length === 0) {
      this.users[`admin.${command.createUser}`] = command;
      return { ok: 1 };
    }
    return { ok: 0, errmsg: "requires authentication" };
  }

  connect(url) {
    const login = /^mongodb:\/\/(\w+):([^@]+)@/.exec(url);
    if (!login) {
      return this;
    }
    const user = this.users[`admin.${login[1]}`];
    if (!user || user.pwd !== login[2]) {
      throw Object.assign(new Error("Authentication failed."), { code: 18 });
    }
    return {
      getSiblingDB: (name) => ({
        getUser: (who) => this.users[`${name}.${who}`] || null,
        createUser: (who) => (this.calls.push("parley made"), (this.users[`${name}.${who.user}`] = who)),
        updateUser: (who, to) => (this.calls.push("parley set"), Object.assign(this.users[`${name}.${who}`], to)),
      }),
    };
  }
}

function run(mongod, secrets) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "mongo-init-"));
  for (const [name, text] of Object.entries(secrets)) {
    fs.writeFileSync(path.join(folder, name), text);
  }
  const said = [];
  let status = 0;
  const world = {
    require,
    process: { env: { SECRETS_DIR: folder } },
    print: (line) => said.push(line),
    quit: (code) => (status = code),
    sleep: () => {},
    connect: (url) => mongod.connect(url),
  };
  try {
    vm.runInNewContext(`(() => {${code}\n})()`, world);
  } catch (error) {
    status = status || 1;
    said.push(String(error));
  }
  fs.rmSync(folder, { recursive: true });
  return { status, said: said.join("\n") };
}

const good = { "mongo-admin": "a".repeat(48) + "\n", "mongo-parley": "b".repeat(48) + "\n" };
const mongod = new Mongod();
let done = run(mongod, good);
check("a new set", done.status === 0 && done.said.endsWith("MongoDB is ready"), done.said);
check("is made of three, the first preferred", mongod.set.members.map((m) => `${m.host}/${m.priority}`).join() === "mongo-1:27017/2,mongo-2:27017/1,mongo-3:27017/1", JSON.stringify(mongod.set));
check("first the set, then the administrator, then Parley", mongod.calls.join() === "replSetInitiate,createUser,parley made", mongod.calls);
check("Parley may only read and write its own", JSON.stringify(mongod.users["parley.parley"].roles) === '[{"role":"readWrite","db":"parley"}]', JSON.stringify(mongod.users));

mongod.calls = [];
done = run(mongod, good);
check("again: nothing is made", done.status === 0 && mongod.calls.join() === "parley set", mongod.calls);
run(mongod, { ...good, "mongo-parley": "c".repeat(48) });
check("a new password of Parley's is set", mongod.users["parley.parley"].pwd === "c".repeat(48));

done = run(mongod, { ...good, "mongo-admin": "d".repeat(48) });
check("another administrator's password is an error, and told", done.status === 1 && done.said.includes("another password than secrets/mongo-admin"), done.said);
const cut = new Mongod();
cut.set = { members: [] };
done = run(cut, good);
check("a run that was cut off after the set goes on", done.status === 0 && cut.calls.join() === "createUser,parley made", done.said);
const never = new Mongod();
never.electionTakes = 1e9;
done = run(never, good);
check("no primary is an error", done.status === 1 && done.said.includes("a primary: not within"), done.said);
for (const [name, text] of [["mongo-admin", ""], ["mongo-parley", 'with"quote-and-more-of-it'], ["mongo-parley", "short"]]) {
  done = run(new Mongod(), { ...good, [name]: text });
  check(`the secret ${name} as ${text}`, done.status === 1 && done.said.includes("must be one line"), done.said);
}
done = run(new Mongod(), { "mongo-admin": good["mongo-admin"] });
check("a secret that isn't there", done.status === 1 && done.said.includes("can't be read: ENOENT"), done.said);

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
