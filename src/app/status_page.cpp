// One static page; it loads nothing and runs nothing.
#include "app/status_page.hpp"

namespace nova::app {
namespace {

constexpr std::string_view kPage = R"(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>nova</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}
code{background:#8882;padding:.1em .3em;border-radius:.2em}</style>
<h1>nova is running</h1>
<p>The dashboard is not part of this version yet. Until it is, use the command line:</p>
<ul>
<li><code>nova status</code> - what runs</li>
<li><code>nova start ENGINE --model MODEL --wait</code> - run something</li>
<li><code>nova logs</code> - what the engine says</li>
<li><code>nova doctor</code> - what is wrong with this machine</li>
</ul>
<p>The control API is below <code>/api/v1/recovery</code> and needs the admin secret.</p>
</html>
)";

}  // namespace

void add_status_page(net::RouteTable& routes) {
    routes.add("GET", "/", [](net::Exchange& exchange) -> Task<void> {
        const std::vector<net::HeaderView> headers{
            {"Content-Security-Policy",
             "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"},
            {"X-Content-Type-Options", "nosniff"},
        };
        ignore(
            co_await exchange.respond(200, "text/html; charset=utf-8", kPage, headers),
            "the client may be gone"
        );
    });
}

}  // namespace nova::app
