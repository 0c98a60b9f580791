# UNTESTED: written by the rules of install.sh, and read, but never run: its authors had no Windows.
#
# Installs Mini-Chat for one user, without an administrator: the client, or with the word "server" the server.
# All of it stands in a function that the last line calls: of a copy that was cut off on its way, nothing runs.
#
#   irm URL/install.ps1 | iex                                     the client
#   & ([scriptblock]::Create((irm URL/install.ps1))) server       the server
#   & ([scriptblock]::Create((irm URL/install.ps1))) uninstall
#
# The words are those of install.sh; a failure is thrown, and nothing is left half-installed.

function Install-MiniChat {
  param([string[]] $Words)
  Set-StrictMode -Version 2
  $ErrorActionPreference = 'Stop'
  $ProgressPreference = 'SilentlyContinue' # the progress bar of PowerShell 5 makes a download ten times slower

  # Both are written into the copy that is published beside the archives (build/release/installers.ts).
  $releaseUrl = ''
  $publicKey = ''

  $program = 'mini-chat-client'
  $action = 'install'
  $folder = $env:MINI_CHAT_INSTALL_DIR
  $url = $releaseUrl
  if ($env:MINI_CHAT_RELEASE_URL) { $url = $env:MINI_CHAT_RELEASE_URL }
  for ($i = 0; $i -lt $Words.Count; $i++) {
    $word = $Words[$i]
    if ($word -eq 'client' -or $word -eq 'server') { $program = "mini-chat-$word" }
    elseif ($word -eq 'install' -or $word -eq 'uninstall') { $action = $word }
    elseif (($word -eq '--dir' -or $word -eq '--url') -and $i + 1 -lt $Words.Count) {
      $i++
      if ($word -eq '--dir') { $folder = $Words[$i] } else { $url = $Words[$i] }
    }
    else { throw "Cannot understand `"$word`": [client|server] [uninstall] [--dir FOLDER] [--url FOLDER]" }
  }
  if (-not $folder) { $folder = Join-Path $env:LOCALAPPDATA 'Programs\mini-chat' }
  $folder = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($folder)
  $exe = Join-Path $folder "$program.exe"
  $old = "$exe.old"

  if ($action -eq 'uninstall') {
    if (-not (Test-Path -LiteralPath $exe)) { throw "Cannot remove ${program}: it is not in $folder; say --dir FOLDER if it is in another" }
    try { Remove-Item -LiteralPath $exe } catch { throw "Cannot remove ${exe}: $($_.Exception.Message) End the program first if it runs" }
    Remove-Item -LiteralPath $old -ErrorAction SilentlyContinue
    Write-Host "Removed $exe. Logins, messages and the server's data were left where they are."
    return
  }

  if ($env:OS -ne 'Windows_NT') { throw 'Cannot install on this system with PowerShell: use install.sh' }
  if (-not [Environment]::Is64BitOperatingSystem) { throw 'Cannot install: Windows is 32-bit; the programs need a 64-bit Windows' }
  # Windows on arm64 runs programs for x64 too; there is none for arm64 itself.
  if (-not $url) { throw 'Cannot tell where to download from: this copy of install.ps1 names no release; say --url https://...' }
  $url = $url.TrimEnd('/')
  if ($url -notmatch '^(https://|http://127\.0\.0\.1:)') { throw "Cannot download from `"$url`": it has to begin with https://" }
  [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12

  $archive = "$program-windows-x64.zip"
  if (Test-Path -LiteralPath $exe -PathType Container) { throw "Cannot install ${program}: $exe is a folder; move it away, or say --dir FOLDER" }
  try { New-Item -ItemType Directory -Force -Path $folder | Out-Null }
  catch { throw "Cannot make ${folder}: $($_.Exception.Message) Say --dir FOLDER for another" }
  # In the folder itself: only within one drive is a rename whole or not at all.
  $temp = Join-Path $folder ".mini-chat-install.$PID"
  try {
    try { New-Item -ItemType Directory -Path $temp | Out-Null }
    catch { throw "Cannot write into ${folder}: $($_.Exception.Message) Say --dir FOLDER for another" }

    $fetch = {
      param([string] $name)
      Write-Host "Downloading $url/$name"
      try { Invoke-WebRequest -UseBasicParsing -Uri "$url/$name" -OutFile (Join-Path $temp $name) }
      catch { throw "Cannot download $url/${name}: $($_.Exception.Message) Nothing was installed" }
    }
    & $fetch 'SHA256SUMS'
    $sums = Join-Path $temp 'SHA256SUMS'
    if ($publicKey) {
      if (Get-Command minisign -ErrorAction SilentlyContinue) {
        & $fetch 'SHA256SUMS.minisig'
        & minisign -Vq -P $publicKey -m $sums -x "$sums.minisig"
        if ($LASTEXITCODE -ne 0) { throw 'Cannot trust SHA256SUMS: its signature is wrong. Nothing was installed' }
        Write-Host 'The signature is right.'
      }
      else { Write-Host 'The signature was not checked, as minisign is not installed; the checksum is checked.' }
    }
    & $fetch $archive
    $wanted = $null
    foreach ($line in Get-Content -LiteralPath $sums) {
      $sum, $name = $line -split '\s+\*?', 2
      if ($name -eq $archive) { $wanted = $sum }
    }
    if (-not $wanted) { throw "Cannot check ${archive}: SHA256SUMS does not name it. Nothing was installed" }
    $sum = (Get-FileHash -Algorithm SHA256 -LiteralPath (Join-Path $temp $archive)).Hash
    if ($sum -ne $wanted) { throw "Cannot trust ${archive}: its SHA-256 is $sum, SHA256SUMS says $wanted; try again. Nothing was installed" }

    $files = Join-Path $temp 'files'
    try { Expand-Archive -LiteralPath (Join-Path $temp $archive) -DestinationPath $files }
    catch { throw "Cannot unpack $archive in ${folder}: $($_.Exception.Message) Nothing was installed" }
    $new = Join-Path $files "$program.exe"
    if (-not (Test-Path -LiteralPath $new)) { throw "Cannot install ${program}: $archive does not hold it. Nothing was installed" }
    $said = & $new --version
    if ($LASTEXITCODE -ne 0) { throw "Cannot run $program on this machine: it ended with $LASTEXITCODE. Nothing was installed" }

    # Windows does not replace a program that runs, but it renames one: the next start takes the new file.
    Remove-Item -LiteralPath $old -Force -ErrorAction SilentlyContinue
    $moved = $false
    try {
      if (Test-Path -LiteralPath $exe) { Move-Item -LiteralPath $exe -Destination $old; $moved = $true }
      Move-Item -LiteralPath $new -Destination $exe
    }
    catch {
      if ($moved) { Move-Item -LiteralPath $old -Destination $exe }
      throw "Cannot put $program into ${folder}: $($_.Exception.Message) End the program if it runs twice. Nothing was installed"
    }
    Remove-Item -LiteralPath $old -Force -ErrorAction SilentlyContinue # stays, to the next time, while it runs
    Write-Host "Installed $program in $folder ($said)."
  }
  finally { Remove-Item -LiteralPath $temp -Recurse -Force -ErrorAction SilentlyContinue }

  $start = $program
  if (($env:Path -split ';') -notcontains $folder) {
    Write-Host "$folder is not on your PATH. To put it there for good, type this, and open a new terminal:"
    Write-Host "  [Environment]::SetEnvironmentVariable('Path', [Environment]::GetEnvironmentVariable('Path', 'User') + ';$folder', 'User')"
    $start = "& '$exe'"
  }
  Write-Host 'Next, type:'
  if ($program -eq 'mini-chat-client') { Write-Host "  $start 'mini-chat://...'     (the invite link that you were given)" }
  else { Write-Host "  $start     (it prints an invite link; data is kept in .\data)" }
}

Install-MiniChat @($args)
