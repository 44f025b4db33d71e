// What `docker login` wrote down, as the header a pull needs: the daemon itself knows no passwords.
#pragma once

#include <string>
#include <string_view>

namespace nova::runtime {

// "docker.io", "ghcr.io", "127.0.0.1:5000": who serves an image of that name.
std::string registry_of(std::string_view image);

// The value of X-Registry-Auth for that image, from the text of ~/.docker/config.json; "" when
// nobody signed in there, or a helper program keeps the password (nova starts none). A secret.
std::string registry_auth(std::string_view config, std::string_view image);

}  // namespace nova::runtime
