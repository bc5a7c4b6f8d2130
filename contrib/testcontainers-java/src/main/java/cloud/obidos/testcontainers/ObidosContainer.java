package cloud.obidos.testcontainers;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.utility.DockerImageName;

/**
 * obidos in a container for the length of a test. What it keeps is gone with the container, so nothing is synced to a disk; set
 * OBIDOS_MEMORY to false to have it keep state below /var/lib/obidos.
 */
public class ObidosContainer extends GenericContainer<ObidosContainer> {
  /** The one port of all services, http and https. */
  public static final int PORT = 4566;

  public ObidosContainer(String image) {
    this(DockerImageName.parse(image));
  }

  public ObidosContainer(DockerImageName image) {
    super(image);
    withExposedPorts(PORT);
    withEnv("OBIDOS_MEMORY", "true");
    waitingFor(Wait.forHttp("/_obidos/health").forPort(PORT));
  }

  /** The endpoint for AWS clients of this machine. Neighbours in the container's network use its alias and {@link #PORT}. */
  public URI getEndpoint() {
    return URI.create("http://" + getHost() + ":" + getMappedPort(PORT));
  }

  public String getRegion() {
    return "us-east-1";
  }

  public String getAccessKey() {
    return "test";
  }

  public String getSecretKey() {
    return "test";
  }

  /** Moves the platform's clock forward: all that falls due happens, in its order, before this returns. */
  public void advance(Duration by) {
    obidos("clock", "advance", by.toMillis() + "ms");
  }

  /** Forgets everything, for the next test. */
  public void reset() {
    obidos("reset");
  }

  /** What rules over everything answers only inside the container. */
  private void obidos(String... arguments) {
    List<String> command = new ArrayList<>(List.of("obidos"));
    command.addAll(List.of(arguments));
    try {
      ExecResult result = execInContainer(command.toArray(new String[0]));
      if (result.getExitCode() != 0) {
        throw new IllegalStateException(String.join(" ", command) + " ended with status " + result.getExitCode() + ": " + result.getStderr());
      }
    } catch (IOException e) {
      throw new IllegalStateException(String.join(" ", command), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(String.join(" ", command), e);
    }
  }
}
