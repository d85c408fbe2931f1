"""fuzz.py - Autobahn's fuzzing client, without what it doesn't need (run by Jython 2.7).

The suite is Python 2 and wants setuptools, OpenSSL, jinja2 and a web server for its reports. Here
stand-ins take their places, and the results go into a JSON file.
usage: fuzz.py URL OUT.json CASE... (patterns as 1.* or 9.1.1)
"""
import imp
import json
import os
import sys
import types


def stand_in(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    parent, _, leaf = name.rpartition(".")
    if parent:
        __import__(parent)
        setattr(sys.modules[parent], leaf, module)
    sys.modules[name] = module
    return module


class Nothing(object):
    def __init__(self, *args, **kwargs):
        pass


def resource_filename(package, name):
    return os.path.join(os.path.dirname(imp.find_module(package)[1]), package, name)


stand_in("pkg_resources", declare_namespace=lambda name: None, resource_filename=resource_filename,
         resource_stream=lambda package, name: open(resource_filename(package, name), "rb"))
stand_in("jinja2", Environment=Nothing, FileSystemLoader=Nothing, PackageLoader=Nothing)

import twisted.python.deprecate  # noqa: E402

twisted.python.deprecate.deprecatedModuleAttribute = lambda *args, **kwargs: None

stand_in("twisted.internet.ssl", ClientContextFactory=Nothing, optionsForClientTLS=Nothing,
         DefaultOpenSSLContextFactory=Nothing)
stand_in("twisted.internet.stdio", StandardIO=Nothing)
stand_in("twisted.internet.process", ProcessReader=Nothing, ProcessWriter=Nothing)
stand_in("twisted.web.server", Site=Nothing)
stand_in("twisted.web.static", File=Nothing)

from twisted.internet import selectreactor  # noqa: E402

selectreactor.install()

from twisted.internet import reactor  # noqa: E402

# The suite's own __init__ would load every tool in it.
suite = stand_in("autobahntestsuite", version="25.10.1")
suite.__path__ = [imp.find_module("autobahntestsuite")[1]]

from autobahntestsuite import fuzzing  # noqa: E402


class Client(fuzzing.FuzzingClientFactory):
    def logCase(self, result):
        fuzzing.FuzzingClientFactory.logCase(self, result)
        if len(self.cases) % 25 == 0:
            print "... %d of %d" % (len(self.cases), len(self.specCases))

    def createReports(self):
        keys = ("behavior", "behaviorClose", "result", "resultClose", "remoteCloseCode", "duration")
        results = {}
        for case, by_agent in self.cases.items():
            result = by_agent.values()[0]
            results[case] = dict((key, unicode(result[key])) for key in keys)
        with open(sys.argv[2], "w") as out:
            json.dump({"asked": self.specCases, "results": results}, out)


Client({"servers": [{"agent": "parley", "url": sys.argv[1]}], "cases": sys.argv[3:],
        "exclude-cases": [], "exclude-agent-cases": {}})
reactor.run()
