package conformance

// proxySuite is the half for proxies.
var proxySuite = newSuite(ofProxy, proxyNotApplicable,
	proxyDiscoveryChecks, proxyStreamChecks, proxyCrashChecks, proxyEventSourcedChecks, proxyValueChecks,
	proxyActionChecks, proxyRoutingChecks, proxyCRDTChecks, proxyCRDTTypeChecks, proxyClusterChecks,
	proxyFrontendChecks, proxyHTTPChecks, proxyEventingChecks, proxyAnnotationChecks,
)

// proxyNotApplicable says what cannot be seen from outside.
var proxyNotApplicable = map[string]string{}
